# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a container that asked for GPU 1 alone may open, and how it finds out.

# oracle: the script for the container's shell. What passes ends with ENXIO, as no driver has these majors; all else, nodes of one's
# own too, with EPERM.
oracle() {
	cat <<-'EOS'
		cd /dev; for n in nvidia1 nvidiactl nvidia-uvm; do echo "$n $(/probe open $n)"; done
		open() { /probe mknod /tmp/n "$@" >/dev/null && /probe open /tmp/n; rm -f /tmp/n; }
		echo "other $(open c 195 0) $(open c 195 2) $(open c 195 254) $(open c 10 229) $(open b 8 0) $(open b 195 1)"
		echo "engine $(/probe open /dev/zero)"
	EOS
}

# exactly, nothing: what it says where the GPU alone is open, and where it is not.
exactly() {
	printf '%s\n' 'nvidia1 ENXIO' 'nvidiactl ENXIO' 'nvidia-uvm ENXIO' 'other EPERM EPERM EPERM EPERM EPERM EPERM' 'engine OK'
}

nothing() {
	exactly | sed s/ENXIO/EPERM/
}

# devprogs_build FILE: the program that shows what is attached to a cgroup.
devprogs_build() {
	cc -std=gnu11 -D_GNU_SOURCE -I"$NVC_TESTS/../lib" -o "$1" "$NVC_TESTS/integration/devprogs.c" "$NVCOREOS_BUILD/libnvcoreos.a"
}
