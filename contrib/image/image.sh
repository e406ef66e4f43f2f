#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# image.sh BUNDLE PREFIX NAME [ARCHIVE...]: for `make image`. The installer image, with the programs of the bundle and these archives:
# into Docker where its daemon answers, with buildah where there is one, else with umoci as the OCI layout BUNDLE/image.
set -eu

bundle=$1 prefix=$2 name=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
context=$bundle/context
root=$context/root

# For umoci, which reads no Dockerfile.
with_umoci() {
	local layout=$bundle/image tag=${name##*:}
	rm -rf "$layout"
	umoci init --layout "$layout"
	umoci new --image "$layout:$tag"
	umoci insert --image "$layout:$tag" "$root" /
	umoci config --image "$layout:$tag" --config.entrypoint "$prefix/libexec/nvcoreos/nvcoreos-image" --config.cmd install
	printf '%s\n' "$layout:$tag"
}

for archive; do
	[ -f "$archive" ] || {
		printf 'image.sh: %s: no such file\n' "$archive" >&2
		exit 1
	}
done
rm -rf "$context"
mkdir -p "$root/archives"
cp -a "$bundle/root/." "$root/"
install -m 0755 "$bundle/nvcoreos-image" "$root$prefix/libexec/nvcoreos/nvcoreos-image"
strip --strip-unneeded "$root$prefix/libexec/nvcoreos/nvcoreos-image"
# By a link where it can be: archives are large.
for archive; do
	cp -lL "$archive" "$root/archives/" 2>/dev/null || cp -L "$archive" "$root/archives/"
done
sed "s|/opt/nvcoreos|$prefix|" "$here/Dockerfile" >"$context/Dockerfile"
if docker version >/dev/null 2>&1; then
	docker build -q -t "$name" "$context" >/dev/null
	printf '%s\n' "$name"
elif command -v buildah >/dev/null; then
	buildah build -q -t "$name" "$context" >/dev/null
	printf '%s\n' "$name"
elif command -v umoci >/dev/null; then
	with_umoci
else
	echo 'image.sh: none of docker (with its daemon), buildah and umoci is here' >&2
	exit 1
fi
rm -rf "$context"
