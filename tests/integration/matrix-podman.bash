# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Podman on a machine where nvcoreos is installed and set up by its own commands, each way of asking. To be loaded after engines.
# shellcheck disable=SC2154 # output and status are set by run

TWO='nvidia-uvm nvidia-uvm-tools nvidia0 nvidia1 nvidiactl'
ONE='nvidia-uvm nvidia-uvm-tools nvidia1 nvidiactl'
IMAGE_PATH='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

# matrix_setup: engines_setup and a user, and the image as one file for both.
matrix_setup() {
	engines_setup || return
	user_make || return
	podman_conf "$BASE"
	cp "$(command -v busybox)" "$BASE/busybox"
	tar -C "$IMAGE" -cf "$BASE/image.tar" .
}

matrix_clean() {
	user_remove
	engines_clean
}

# --- a machine ---------------------------------------------------------------

# machine_make NAME [ROOT]: sets MACHINE and TREE. BASE/NAME/over holds what lies over the files of ROOT (of this machine where there is
# none): nvcoreos with this host's configuration, and what configure, cdi and the README's link make; with ROOT the user too. NAME is a
# letter: Podman's directories may have 50 at most.
machine_make() {
	export MACHINE=$BASE/$1 TREE=${2:-}
	local over=$MACHINE/over opt=$MACHINE/over/opt/nvcoreos file
	mkdir -p "$opt/bin" "$opt/share/nvcoreos/hooks.d" "$over/etc/nvcoreos" "$over/etc/containers" "$over/etc/cdi" "$over/share/oci/hooks.d"
	install -m 755 "$NVCOREOS_BUILD"/nvcoreos{,-hook,-runtime} "$opt/bin"
	cp "$NVC_TESTS/../config/hooks.d/90-nvcoreos.json" "$opt/share/nvcoreos/hooks.d"
	ln -s /opt/nvcoreos/share/nvcoreos/hooks.d/90-nvcoreos.json "$over/share/oci/hooks.d"
	sed 's#^hook-path=.*#hook-path=/opt/nvcoreos/bin/nvcoreos-hook#; s#^dev-root=.*#dev-root=/dev#' "$HOST/conf" >"$over/etc/nvcoreos/nvcoreos.conf"
	sed 's/^low-level-runtimes=.*/low-level-runtimes=crun/' "$over/etc/nvcoreos/nvcoreos.conf" >"$over/etc/nvcoreos/crun.conf"
	cp "$BASE/containers.conf" "$over/etc/containers"
	"$NVCOREOS_BUILD/nvcoreos" --root "$over" configure podman
	# What it is linked with a smallest root has not.
	TREE='' machine_run none root runc /opt/nvcoreos/bin/nvcoreos --quiet cdi generate >"$over/etc/cdi/nvcoreos.yaml"
	for file in ${TREE:+passwd group subuid subgid}; do
		cat "$TREE/etc/$file" <(grep "^$USER_NAME:" "/etc/$file") >"$over/etc/$file"
	done
	install -d -m 700 -o "$USER_NAME" -g "$USER_NAME" "$MACHINE/home" "$MACHINE/run"
}

# Overlays do not lie on overlays; what Podman takes by itself is another one in each version.
podman_storage() {
	case $(stat -f -c %T "$BASE") in
	overlay*) echo vfs ;;
	*) echo overlay ;;
	esac
}

# machine_run WAY WHO LOW CMD...: a program on it, as root or user. hooks: there is the link in Podman's own directory; LOW is what
# nvcoreos-runtime starts. What keeps a user's namespaces for the next call keeps the mounts too, so it ends with each call.
machine_run() {
	local way=$1 who=$2 low=$3 enter=cgroup_view
	shift 3
	[ -z "$TREE" ] || enter="tree_run $TREE $BASE"
	# shellcheck disable=SC2016 # for the inner shell
	$enter "$(podman_view "$low")" bash -c '
		base=$1 over=$2/over way=$3 who=$4 low=$5 as=(env -i STORAGE_DRIVER="$6") rc=0
		shift 6
		mount() { "$base/busybox" mount "$@"; }
		mount --make-rshared / && mount -t overlay -o "ro,lowerdir=$over/etc:/etc" overlay /etc && mount --bind "$over/opt" /opt || exit 9
		mount -t overlay -o "ro,lowerdir=$base/h/host/dev:/dev" overlay /dev && mount -t devpts devpts /dev/pts &&
			mount -t tmpfs -o mode=1777 tmpfs /dev/shm || exit 9
		[ "$low" = runc ] || mount --bind "$over/etc/nvcoreos/$low.conf" /etc/nvcoreos/nvcoreos.conf || exit 9
		[ "$way" != hooks ] || mount -t overlay -o "ro,lowerdir=$over/share:/usr/share/containers" overlay /usr/share/containers || exit 9
		as+=(PATH=/usr/sbin:/usr/bin:/sbin:/bin PODMAN_IGNORE_CGROUPSV1_WARNING=1)
		[ "$who" = root ] || as=(setpriv --reuid "$who" --regid "$who" --init-groups "${as[@]}" HOME="${over%/over}/home" USER="$who"
			XDG_RUNTIME_DIR="${over%/over}/run")
		cd / && "${as[@]}" "$@" || rc=$?
		[ "$who" = root ] || "${as[@]}" podman system migrate >/dev/null 2>&1
		exit $rc' bash "$BASE" "$MACHINE" "$way" "$who" "$low" "$(podman_storage)" "$@" </dev/null 3>&-
}

# machine_podman WAY WHO LOW ARG...: podman there; the image is imported at the first call.
machine_podman() {
	local way=$1 who=$2 low=$3 podman=(podman)
	shift 3
	[ "$who" != root ] || podman+=(--root "$MACHINE/pod" --runroot "$MACHINE/podrun" --tmpdir "$MACHINE/podtmp")
	[ -e "$MACHINE/imported-$who" ] ||
		machine_run none "$who" "$low" "${podman[@]}" import -q -c "$IMAGE_PATH" "$BASE/image.tar" localhost/seen:1 >/dev/null || return
	: >"$MACHINE/imported-$who"
	machine_run "$way" "$who" "$low" "${podman[@]}" "$@"
}

# --- the question ------------------------------------------------------------

# asks WAY WHO LOW [ARG...]: a container that asks for the second GPU this way.
asks() {
	local way=$1 who=$2 low=$3 args
	shift 3
	case $way in
	runtime) args=(--runtime nvcoreos run --rm -e NVIDIA_VISIBLE_DEVICES=1) ;;
	hooks) args=(--runtime "$low" run --rm -e NVIDIA_VISIBLE_DEVICES=1) ;;
	cdi) args=(--runtime "$low" run --rm --device nvidia.com/gpu=1) ;;
	esac
	# A node that the test has put there is nobody's but root's to give.
	[ "$who" != root ] || args+=(-v "$HOST/host/dev/nvidia0:/other")
	machine_podman "$way" "$who" "$low" "${args[@]}" "$@" localhost/seen:1 /seen
}

# answers WAY WHO ANSWER NODE...: whether it is the one answer. The nodes of CDI are Podman's own, mounted its way.
answers() {
	local way=$1 who=$2 answer=$3 other=EPERM
	shift 3
	[ "$who" = root ] || other=-
	if [ "$way" = cdi ]; then
		diff <(seen_expected $other "$@" | sed '/^node /d') <(sed '/^node /d' <<<"$answer")
	else
		seen_same "$answer" $other "$@"
	fi
}

# cell WAY WHO LOW: one of the table's.
cell() {
	run asks "$@"
	echo "--- $*"
	echo "$output"
	[ "$status" = 0 ]
	# shellcheck disable=SC2086 # a list
	answers "$1" "$2" "$output" $ONE
}

# all_gpus WHO LOW: --gpus all is CDI where Podman speaks of it; an older one takes it, and gives nothing.
all_gpus() {
	local nodes=
	! machine_podman none "$1" "$2" run --help | grep -qe --gpus || nodes=$TWO
	run machine_podman cdi "$1" "$2" --runtime "$2" run --rm --gpus all localhost/seen:1 sh -c 'cd /dev && echo nvidia*'
	echo "--- --gpus $*: $output"
	[ "$status" = 0 ]
	[ "$output" = "${nodes:-nvidia*}" ]
}
