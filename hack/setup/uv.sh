#!/usr/bin/env bash
# Prints the path of the uv that requirements/dev.txt pins, and installs it where it is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
version=$(sed -nE 's/^uv==([^ ]+).*/\1/p' "$here/../../requirements/dev.txt")
venv=$TRAININGRUN_CACHE/tools/uv-$version
if [ ! -x "$venv/bin/uv" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "uv==$version"
fi
echo "$venv/bin/uv"
