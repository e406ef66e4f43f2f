#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# require.sh [PROC]: says on which machine the suite runs, for the record; fails where there is no GPU that it could test.
proc=${1:-/proc}
if [ ! -e "$proc/driver/nvidia/version" ]; then
	echo 'check-gpu: no NVIDIA driver is loaded here: nothing can be tested (load it, or run this on a machine with a GPU)' >&2
	exit 1
fi
if [ -z "$(ls "$proc/driver/nvidia/gpus" 2>/dev/null)" ]; then
	echo 'check-gpu: the driver has taken no GPU here: nothing can be tested (see dmesg)' >&2
	exit 1
fi
echo "driver: $(head -n 1 "$proc/driver/nvidia/version")"
for information in "$proc"/driver/nvidia/gpus/*/information; do
	echo "GPU: $(sed -n 's/^Model:[[:space:]]*//p' "$information"), minor $(sed -n 's/^Device Minor:[[:space:]]*//p' "$information")"
done
echo "kernel: $(uname -srm)"
echo "system: $(. /etc/os-release && echo "$PRETTY_NAME")"
echo "runc: $(runc --version | head -n 1)"
echo "cgroups: $(stat -f -c %T /sys/fs/cgroup)"
