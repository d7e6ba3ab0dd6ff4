#!/usr/bin/env bash
# kwok-nodes.sh N: makes the running cluster have exactly N simulated nodes (kwok-0 ...), whose pods only pretend to run.
# They are tainted: a pod must tolerate kwok.x-k8s.io/node to land there. 0 removes them and stops kwok.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
count=${1:-}
[[ $count =~ ^[0-9]+$ ]] || die "usage: hack/cluster/kwok-nodes.sh N"
kubectl() { CLUSTER=local "$here/kubectl.sh" "$@"; }

node() {
  cat << YAML
---
apiVersion: v1
kind: Node
metadata:
  name: kwok-$1
  annotations: {kwok.x-k8s.io/node: fake, node.alpha.kubernetes.io/ttl: "0"}
  labels: {type: kwok, kubernetes.io/hostname: kwok-$1, kubernetes.io/os: linux, kubernetes.io/arch: amd64, kubernetes.io/role: agent}
spec:
  taints: [{key: kwok.x-k8s.io/node, value: fake, effect: NoSchedule}]
status:
  allocatable: {cpu: "64", memory: 512Gi, pods: "250", nvidia.com/gpu: "8"}
  capacity: {cpu: "64", memory: 512Gi, pods: "250", nvidia.com/gpu: "8"}
YAML
}

echo "$count" > "$CLUSTER_DIR/kwok-nodes"
[ "$count" = 0 ] || "$here/component.sh" start kwok
# Those that are there already stay as they are: only the missing ones are made, only the surplus is deleted.
mapfile -t present < <(kubectl get nodes --selector type=kwok --output 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
surplus=()
for name in "${present[@]}"; do [ "${name#kwok-}" -lt "$count" ] || surplus+=("$name"); done
[ ${#surplus[@]} = 0 ] || kubectl delete nodes "${surplus[@]}" --wait=false > /dev/null
missing=$(for index in $(seq 0 $((count - 1))); do
  [[ " ${present[*]} " == *" kwok-$index "* ]] || node "$index"
done)
[ -z "$missing" ] || kubectl create --filename - <<< "$missing" > /dev/null
if [ "$count" = 0 ]; then
  "$here/component.sh" stop kwok
else
  kubectl wait --for=condition=Ready nodes --selector type=kwok --timeout=120s > /dev/null ||
    die "some simulated nodes did not become Ready; see $LOG_DIR/kwok.log"
fi
log "$count simulated nodes"
