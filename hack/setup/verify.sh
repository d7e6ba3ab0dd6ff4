#!/usr/bin/env bash
# Makes every generated file anew in a copy of the checkout; fails where one is not what stands in the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp --recursive Makefile pyproject.toml requirements hack crds charts tests "$copy"
ln --symbolic "$PWD/.venv" "$copy/.venv"

anew() { make --silent --directory "$copy" --old-file venv "$1" > "$copy/log" 2>&1; }
give_up() { cat "$copy/log" >&2; exit 1; }

failed=0
compare() {
  local target=$1 path=$2 source=$3
  git --no-pager diff --no-index --exit-code "$path" "$copy/$path" && return
  echo "error: $path is not what $source makes it: run \`make $target\`." >&2
  failed=1
}

# What uv keeps of earlier installations is enough, as a rule: only without it is the package index asked.
UV_OFFLINE=1 anew lock || anew lock || give_up
compare lock requirements pyproject.toml
anew chart-crd || give_up
compare chart-crd charts/trainingrun-operator/files crds
anew golden || give_up
compare golden tests/unit/operator/core/jobs/golden operator
exit $failed
