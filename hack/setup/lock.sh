#!/usr/bin/env bash
# Renews requirements/*.txt: every version with its hashes, no download address. The images' files are
# constrained by dev.txt, so that tests and images run the same versions.
#
# mmcv is left out: it has no wheel with compiled operators for our Python, so hack/setup/mmcv_wheel.sh builds one from the
# sdist whose hash stands in requirements/mmcv.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
compile() {
  local out=$1; shift
  uv pip compile --quiet pyproject.toml --python-version 3.11 --generate-hashes --no-emit-package mmcv --no-emit-index-url \
    --overrides requirements/overrides.txt --build-constraints requirements/build-constraints.txt \
    --custom-compile-command 'make lock' --output-file "requirements/$out.txt" "$@"
}
compile dev --all-extras
compile worker --extra worker --constraints requirements/dev.txt
compile preprocess --extra preprocess --constraints requirements/dev.txt
compile operator --extra operator --constraints requirements/dev.txt
echo 'mmcv==2.1.0' | uv pip compile --quiet - --no-deps --python-version 3.11 --generate-hashes --no-emit-index-url \
  --build-constraints requirements/build-constraints.txt --custom-compile-command 'make lock' --output-file requirements/mmcv.txt
uv pip compile --quiet requirements/annotation-tools.in --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command 'make lock' --output-file requirements/annotation-tools.txt
