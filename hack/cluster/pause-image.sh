#!/usr/bin/env bash
# Builds the pause image (one static program) as a docker-archive without any registry and prints the file's name.
# Cached by the content of this file and of pause.c.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
out=$TRAININGRUN_CACHE/images/pause-$(cat "$here/pause.c" "$here/pause-image.sh" | sha256sum | cut -c1-16).tar
if [ -e "$out" ]; then echo "$out"; exit 0; fi

mkdir -p "$(dirname "$out")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
gcc -Os -static -s -o "$work/root/pause" "$here/pause.c"
archive() { tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "$@"; }
archive --file "$work/layer.tar" --directory "$work/root" pause
layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"],"User":"65535:65535"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$(dpkg --print-architecture)" "$layer" > "$work/config.json"
printf '[{"Config":"config.json","RepoTags":["localhost/pause:1"],"Layers":["layer.tar"]}]' > "$work/manifest.json"
archive --file "$out.part" --directory "$work" config.json manifest.json layer.tar
mv "$out.part" "$out"
echo "$out"
