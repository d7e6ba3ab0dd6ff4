#!/usr/bin/env bash
# check.sh [--output FOLDER]: checks on a GPU what no CPU can show, in less than ten minutes, and prints a Markdown table.
# check.sh --dry-run: the same here, as far as a CPU goes.
#
# For a borrowed machine without a network: hack/gpu/carry.sh, run before, collects in build/gpu-carry what it lacks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case " $* " in
  *' --dry-run '*)
    python=.venv/bin/python
    PYTHONPATH=.:worker ;;
  *)
    python=python3 site=/tmp/gpu-check/site
    rm -rf /tmp/gpu-check
    "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir \
      --target "$site" build/gpu-carry/*.whl
    PYTHONPATH=$site:.:worker
    export GPU_CHECK_SITE=$site ;;
esac
export PYTHONPATH PYTHONUNBUFFERED=1
exec "$python" -m hack.gpu.check "$@"
