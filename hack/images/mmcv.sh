#!/usr/bin/env bash
# mmcv.sh OPERATORS CACHE OUT: runs in the worker image's build stage. Leaves mmcv's wheel in OUT, from CACHE where a
# build for this Python and torch stands there already (a compiler is then not needed, nor installed).
set -euo pipefail
operators=$1 cache=$2 out=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# torch and its libraries are those of the image itself.
libraries=$(echo /opt/venv/lib/python3*/site-packages)
export PYTHONPATH=$libraries PYTHONDONTWRITEBYTECODE=1 UV_SYSTEM_CERTS=1 UV_LINK_MODE=copy
[ "$operators" = cpu ] || cache=$cache/$(tr -c '0-9A-Za-z.' _ <<< "$TORCH_CUDA_ARCH_LIST")

wheel() { bash "$here/mmcv_wheel.sh" "$1" "$cache" "$operators"; }
# An interpreter that can say which torch there is, but builds nothing.
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != -m ] && exec python3 "$@"\n' > /tmp/no-build
chmod +x /tmp/no-build
if ! built=$(wheel /tmp/no-build 2>/dev/null); then
  if ! { command -v g++ && python3 -c 'import ensurepip' && ls /usr/include/python3*/Python.h; } > /dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends python3 python3-venv python3-dev g++ ca-certificates > /dev/null
  fi
  python3 -m venv /build
  install() { /tools/uv pip install --quiet --python /build --no-deps --require-hashes -r "$1"; }
  install "$here/build.txt"
  if [ "$operators" = cuda ] && ! command -v nvcc > /dev/null; then
    install "$here/nvcc.txt"
    # nvcc's own folder, completed by the headers and libraries that torch brings.
    CUDA_HOME=$(echo /build/lib/python3*/site-packages/nvidia/cu1?)
    cuda=$(echo "$libraries"/nvidia/cu1?)
    cp --recursive --symbolic-link --no-clobber "$cuda/include" "$CUDA_HOME/"
    mkdir -p "$CUDA_HOME/lib64"
    for library in "$cuda"/lib/lib*.so*; do      # wheels hold libcudart.so.13 alone, and the linker wants libcudart.so
      ln -sf "$library" "$CUDA_HOME/lib64/$(basename "${library%.so*}").so"
    done
    export CUDA_HOME PATH=$CUDA_HOME/bin:$PATH
  fi
  built=$(wheel /build/bin/python)
fi
mkdir -p "$out"
cp "$built" "$out/"
