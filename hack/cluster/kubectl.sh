#!/usr/bin/env bash
# kubectl.sh ARGUMENTS...: kubectl on the cluster that CLUSTER chooses (see kubeconfig.sh), whether it is installed here or not.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
KUBECONFIG=$("$here/kubeconfig.sh")
export KUBECONFIG
if [ "${CLUSTER:-local}" = current ] && kubectl=$(command -v kubectl); then exec "$kubectl" "$@"; fi
exec "$("$here/build-binaries.sh")/kubectl" "$@"
