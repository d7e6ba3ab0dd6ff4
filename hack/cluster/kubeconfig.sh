#!/usr/bin/env bash
# Prints the kubeconfig to use: the local cluster's, or with CLUSTER=current the user's own.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if [ "${CLUSTER:-local}" = current ]; then
  echo "${KUBECONFIG:-$HOME/.kube/config}"
else
  echo "$KUBECONFIG_FILE"
fi
