#!/usr/bin/env bash
# demo.sh [--source FOLDER] [--documents N]: everything from an empty machine to a trained model. `make demo` calls it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
"$here/cluster/up.sh"
"$here/images/build.sh" > /dev/null
"$here/install.sh"
export KUBECONFIG
KUBECONFIG=$("$here/cluster/kubeconfig.sh")
if [ "${CLUSTER:-local}" = current ]; then
  [ -n "${AWS_S3_ENDPOINT:-}" ] || die "with CLUSTER=current, export AWS_S3_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of an S3 that the cluster reaches"
else
  PATH=$("$here/cluster/build-binaries.sh"):$PATH
  eval "$("$here/s3.sh" env)"
fi
exec "$here/../.venv/bin/python" "$here/demo.py" "$@"
