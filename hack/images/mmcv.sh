#!/usr/bin/env bash
# mmcv.sh OPERATORS CACHE ROOT: runs in the worker image's build stage. Installs mmcv below ROOT, where the image's own
# virtual environment will have it, from CACHE where a wheel for this Python and torch stands there already (a compiler
# is then not needed, nor installed).
set -euo pipefail
operators=$1 cache=$2 root=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libraries=$(echo /opt/venv/lib/python3*/site-packages)
export PYTHONDONTWRITEBYTECODE=1 UV_SYSTEM_CERTS=1 UV_LINK_MODE=copy PYC_INVALIDATION_MODE=UNCHECKED_HASH
[ "$operators" = cpu ] || cache=$cache/$(tr -c '0-9A-Za-z.\n' _ <<< "$TORCH_CUDA_ARCH_LIST")

wheel() { bash "$here/mmcv_wheel.sh" "$1" "$cache" "$operators"; }
# An interpreter that can say which torch there is, but builds nothing.
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != -m ] && exec /opt/venv/bin/python3 "$@"\n' > /tmp/no-build
chmod +x /tmp/no-build
if ! built=$(wheel /tmp/no-build 2>/dev/null); then
  if ! { command -v g++ && python3 -c 'import ensurepip' && ls /usr/include/python3*/Python.h; } > /dev/null 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv python3-dev g++ > /dev/null
  fi
  # Into this stage's own copy of the virtual environment: nvcc then stands beside the headers that torch brings.
  python3 -m ensurepip > /dev/null
  "$UV" pip install --quiet --no-deps --require-hashes -r "$here/build.txt"
  if [ "$operators" = cuda ] && ! command -v nvcc > /dev/null; then
    "$UV" pip install --quiet --no-deps --require-hashes -r "$here/nvcc.txt"
    CUDA_HOME=$(echo "$libraries"/nvidia/cu1?)
    export CUDA_HOME PATH=$CUDA_HOME/bin:$PATH
    mkdir -p "$CUDA_HOME/lib64"
    for library in "$CUDA_HOME"/lib/lib*.so.*; do      # the wheels hold libcudart.so.13, and the linker wants libcudart.so
      ln -sf "$library" "$CUDA_HOME/lib64/$(basename "${library%.so.*}").so"
    done
  fi
  built=$(wheel /opt/venv/bin/python3)
fi
"$UV" pip install --quiet --target "$root$libraries" --no-deps --offline --no-cache --compile-bytecode "$built"
rm -f "$root$libraries/.lock"
PYTHONPATH=$root$libraries python3 -c 'import mmcv.ops'
