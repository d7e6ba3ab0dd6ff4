#!/usr/bin/env bash
# enter.sh [COMMAND...]: runs a command (or a shell) inside the cluster: its network, its mounts, its processes.
# Examples: enter.sh ctr tasks ls    enter.sh ip address    enter.sh iptables-save -t nat    enter.sh ps fax
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
require_root
export KUBECONFIG=$KUBECONFIG_FILE CONTAINERD_ADDRESS=$CONTAINERD_SOCKET CONTAINERD_NAMESPACE=k8s.io
[ $# -gt 0 ] || set -- bash
in_cluster "$@"
