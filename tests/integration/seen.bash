# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What a container sees of its GPUs (seen.sh), compared as a whole.

# seen_install ROOTFS: puts the question there, beside the probes: /seen.
seen_install() {
	install -m 755 "$NVC_TESTS/integration/seen.sh" "$1/seen"
}

# seen_expected OTHER NODE...: the answer of a container that was given these nodes and can write its root; OTHER is what the
# node /other answers, "-" where there is none.
seen_expected() {
	local other=$1 path
	shift
	echo "nodes $*"
	echo "open$(printf ' ENXIO%.0s' "$@")"
	[ "$other" = - ] || echo "other $other"
	echo 'loader driver'
	for path in /etc/ld.so.cache /etc/ld.so.conf.d/00-nvcoreos.conf /etc/ld.so.conf.d/zz-nvcoreos-cuda.conf; do
		echo "$path f 644 0:0"
	done
	echo '/usr/bin/nvidia-smi l 777 0:0'
	echo 'mounted 1'
	echo 'driver ro,nosuid,nodev'
	echo 'node ro,nosuid,noexec'
	echo 'ldconfig 0 driver'
	echo 'nvidia-smi 9'
}

# seen_same ANSWER OTHER NODE...: whether it is that answer; shows the difference.
seen_same() {
	local answer=$1
	shift
	diff <(seen_expected "$@") - <<<"$answer"
}
