#!/usr/bin/env bash
# carry.sh: collects in build/gpu-carry what hack/gpu/check.sh needs on a machine with a GPU and without a network, and
# prints the folder's size.
#
# That machine has Python 3.12, torch with CUDA, nvcc, g++, ninja, pip, setuptools, numpy, opencv-python-headless, scipy,
# matplotlib, tensorboard, pillow and what these bring. The other packages travel as wheels in the versions of
# requirements/worker.txt, mmcv as its sdist: its operators are compiled there. The pages are drawn there, too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../setup/env.sh
. "$here/../setup/env.sh"
cd "$here/../.."
python=${PYTHON:-.venv/bin/python}
target=build/gpu-carry
most_mib=60      # what may travel, the checkout aside
packages='mmdet|mmengine|addict|termcolor|terminaltables|yapf|platformdirs|shapely|pycocotools|faster-coco-eval|pydantic|pydantic-core|annotated-types|typing-inspection|typing-extensions|pdf2image|setuptools'

rm -rf "$target"
mkdir -p "$target"
lock=$(mktemp)
trap 'rm -f "$lock"' EXIT
awk -v names="^($packages)==" '/^[a-z0-9]/ { take = $0 ~ names } /^#/ { take = 0 } take' requirements/worker.txt > "$lock"
platforms=()
for glibc in 2_17 2_24 2_27 2_28 2_31 2_34 2_35; do platforms+=(--platform "manylinux_${glibc}_x86_64"); done
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$lock" --dest "$target" \
  --only-binary :all: --python-version 3.12 --implementation cp "${platforms[@]}" --platform manylinux2014_x86_64
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements/mmcv.txt \
  --dest "$target" --no-binary mmcv --no-build-isolation
mib=$(du --summarize --block-size=1M "$target" | cut -f 1)
[ "$mib" -le "$most_mib" ] || die "$target holds $mib MiB, and $most_mib MiB can travel: leave out a package that the machine has"
echo "$target: $mib MiB in $(find "$target" -type f | wc -l) files"
