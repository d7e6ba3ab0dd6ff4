#!/usr/bin/env bash
# mmcv_wheel.sh PYTHON CACHE [cpu|cuda]: builds mmcv with its compiled operators from its sdist; prints the wheel's path.
#
# PYTHON is an interpreter with torch, setuptools < 81, wheel, ninja and pip. CACHE keeps the wheel, since it fits only
# one Python, one torch, one machine's architecture and C library, and one kind of operators. Compiled as three
# translation units instead of a hundred, the CPU operators take about two minutes of one core instead of fifty, with
# bit-identical results; CUDA's are built as they are, as many at a time as the memory holds (MAX_JOBS says otherwise).
# Needs only itself and requirements/mmcv.txt, so that the image build can copy the two.
set -euo pipefail
python=$1 cache=$2 operators=${3:-cpu}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirement=$here/../../requirements/mmcv.txt
[ -e "$requirement" ] || requirement=$here/mmcv.txt
versions=$("$python" -c '
import platform, sys, torch
print(f"py{sys.version_info[0]}{sys.version_info[1]}-torch{torch.__version__}", platform.machine(), *platform.libc_ver(), sep="-")')

# nvcc takes about 2 GB for a file of operators.
jobs_that_fit() {
  local kib limit fit
  kib=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2> /dev/null || true)
  if [[ $limit =~ ^[0-9]+$ ]] && [ $((limit / 1024)) -lt "$kib" ]; then kib=$((limit / 1024)); fi
  fit=$((kib / (2 * 1024 * 1024)))
  echo $((fit < 1 ? 1 : fit < $(nproc) ? fit : $(nproc)))
}

out=$cache/mmcv-$operators-$versions-$(cat "${BASH_SOURCE[0]}" "$requirement" | sha256sum | cut -c1-12)
if ! compgen -G "$out/*.whl" > /dev/null; then
  echo "building mmcv's $operators operators for $versions (2 minutes for cpu, an hour for cuda; once)" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$python" -m pip download --quiet --no-deps --no-binary mmcv --no-build-isolation --require-hashes -r "$requirement" --dest "$work" >&2
  mkdir "$work/mmcv"
  tar --extract --gzip --file "$work"/mmcv-*.tar.gz --directory "$work/mmcv" --strip-components 1
  if [ "$operators" = cpu ]; then
    cd "$work/mmcv/mmcv/ops/csrc/pytorch"
    mkdir parts
    mv ./*.cpp parts/
    mv cpu parts/cpu
    # These four define the same names (PreCalc, add, min, max, bilinear_interpolate_gradient), so they stand apart.
    apart='psamask|roi_align|roi_align_rotated|rotated_feature_align'
    include() { printf '#include "%s"\n' "$@"; }
    # shellcheck disable=SC2046
    { include parts/*.cpp; include $(printf '%s\n' parts/cpu/*.cpp | grep -vE "/($apart)\.cpp"); } > unity_1.cpp
    include parts/cpu/roi_align.cpp parts/cpu/psamask.cpp > unity_2.cpp
    include parts/cpu/roi_align_rotated.cpp parts/cpu/rotated_feature_align.cpp > unity_3.cpp
  else
    export FORCE_CUDA=1
  fi
  mkdir -p "$work/wheel"
  # setuptools prints hundreds of lines about mmcv's packaging: shown only when the build fails.
  # CFLAGS replaces Python's own optimisation level, so -O2 must stand here.
  CFLAGS='-O2 -DNDEBUG -g0 -w' MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(jobs_that_fit)} PATH=$(dirname "$python"):$PATH \
    "$python" -m pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir "$work/wheel" "$work/mmcv" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  mkdir -p "$out"
  wheel=$(basename "$work"/wheel/mmcv-*.whl)
  # From another file system a move is a copy, of which a killed build leaves a part.
  mv "$work/wheel/$wheel" "$out/$wheel.part"
  mv "$out/$wheel.part" "$out/$wheel"
fi
echo "$out"/mmcv-*.whl
