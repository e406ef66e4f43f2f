#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs in a container beside probe and probe-dl: what it sees of its GPUs, a line a question, for tests to compare.
list() {
	printf '%s' "$1"
	shift
	printf ' %s' "$@"
	echo
}
nodes() {
	cd /dev && ls -d nvidia* 2>/dev/null
}
# Which of the driver's directories the loader prefers is the processor's matter.
loader() {
	path=$(/probe-dl libcuda.so.1)
	case $path in
	/usr/local/nvidia/lib64/*) echo "$1 driver" ;;
	*) echo "$1 $path" ;;
	esac
}
# shellcheck disable=SC2046 # lists of names
list nodes $(nodes)
# shellcheck disable=SC2046
list open $(for node in $(nodes); do /probe open "/dev/$node"; done)
# A node that the container was not given, and the test has put there.
[ ! -e /other ] || echo "other $(/probe open /other)"
loader loader
for path in /etc/ld.so.cache /etc/ld.so.conf.d/00-nvcoreos.conf /etc/ld.so.conf.d/zz-nvcoreos-cuda.conf /usr/bin/nvidia-smi; do
	echo "$path $(/probe stat $path)"
done
echo "mounted $(grep -c " /usr/local/nvidia " /proc/self/mountinfo)"
echo "driver $(/probe flags /usr/local/nvidia)"
echo "node $(/probe flags /dev/nvidiactl)"
ldconfig
loader "ldconfig $?"
nvidia-smi >/dev/null 2>&1
echo "nvidia-smi $?"
