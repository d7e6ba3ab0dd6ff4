#!/usr/bin/env bash
# Prints a Python that has the libraries of Label Studio and CVAT, for the tests of what we exchange with these tools.
#
# It stands apart from .venv, whose NumPy, Pillow and OpenCV are too new for them: requirements/annotation-tools.txt.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
requirements=$here/../../requirements/annotation-tools.txt
venv=$TRAININGRUN_CACHE/tools/annotation-tools-$(sha256sum < "$requirements" | cut -c1-12)
mkdir -p "$TRAININGRUN_CACHE/tools"
exec 9> "$venv.lock"
flock 9
if [ ! -e "$venv/.complete" ]; then
  uv=$("$here/uv.sh")
  export UV_SYSTEM_CERTS=1 VIRTUAL_ENV=$venv
  log "installing the libraries of Label Studio and CVAT (500 MB, once)"
  "$uv" venv --quiet --clear --python 3.11 --no-python-downloads "$venv"
  "$uv" pip install --quiet --no-deps --require-hashes -r "$requirements"
  touch "$venv/.complete"
fi
echo "$venv/bin/python"
