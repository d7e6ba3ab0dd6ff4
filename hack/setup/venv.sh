#!/usr/bin/env bash
# Makes .venv: every pinned dependency with its hash checked, mmcv with compiled operators, and this project, editable.
# Does nothing when it is already so.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
cd "$here/../.."
stamp=.venv/.complete
key=$({ echo "$PWD"; cat requirements/*.txt hack/setup/venv.sh hack/setup/mmcv_wheel.sh pyproject.toml; } | sha256sum)
# One that came with a copied clone runs the other clone's code; one from before an upgrade may have lost its interpreter.
fits() { .venv/bin/python -c '' && grep --quiet --fixed-strings "'$PWD/.venv'" .venv/bin/activate; } 2> /dev/null
if [ "$(cat $stamp 2> /dev/null)" = "$key" ] && fits; then exit 0; fi

uv=$(hack/setup/uv.sh)
# Package traffic may be signed by a certificate authority that only the machine's own store knows.
export UV_SYSTEM_CERTS=1 VIRTUAL_ENV=$PWD/.venv
log "installing the Python dependencies into .venv (4 GB to download the first time)"
rm -f $stamp
fits || "$uv" venv --quiet --clear --seed --python 3.11 --no-python-downloads .venv
# The file is complete, and mmengine would pull in the other OpenCV: --no-deps.
"$uv" pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
wheel=$(hack/setup/mmcv_wheel.sh "$PWD/.venv/bin/python" "$TRAININGRUN_CACHE/wheels")
"$uv" pip install --quiet --no-deps "$wheel"
"$uv" pip install --quiet --no-deps --no-build-isolation --editable .
echo "$key" > $stamp
