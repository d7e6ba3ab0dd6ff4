#!/usr/bin/env bash
# Installs the operator from this checkout into the cluster with Helm, with the images that hack/images/build.sh made, and waits for it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../setup/env.sh
. "$here/../setup/env.sh"
namespace=trainingrun-system
[ -s "$TRAININGRUN_STATE/images.env" ] || die "there are no images yet: run 'make images' first"
# shellcheck disable=SC1091
. "$TRAININGRUN_STATE/images.env"
export KUBECONFIG
KUBECONFIG=$("$here/kubeconfig.sh")
[ "${CLUSTER:-local}" = current ] || PATH=$("$here/build-binaries.sh"):$PATH
k() { kubectl --namespace "$namespace" "$@"; }

log "installing the operator with Helm into namespace $namespace"
kubectl create namespace "$namespace" --dry-run=client --output=yaml | kubectl apply --filename=- > /dev/null
kubectl label namespace "$namespace" --overwrite pod-security.kubernetes.io/enforce=restricted > /dev/null
# A helm that outlived its make has this lock still. One that was killed leaves its release pending, and Helm would refuse for ever.
exec 9< "$TRAININGRUN_STATE"
flock 9
k delete secrets --selector 'owner=helm,name=trainingrun-operator,status in (pending-install,pending-upgrade,pending-rollback)' > /dev/null
# What `kubectl apply -f crds/`, a test or a curious developer changed before is taken over.
helm upgrade --install trainingrun-operator "$here/../../charts/trainingrun-operator" --namespace "$namespace" \
  --set "image.repository=${OPERATOR_IMAGE%:*}" --set "image.tag=${OPERATOR_IMAGE##*:}" --set "worker.image=$WORKER_IMAGE" \
  --take-ownership --force-conflicts --wait --timeout 3m "$@" > /dev/null || {
  { k get pods --output wide; k get events --sort-by=.lastTimestamp | tail -n 10; } >&2
  die "Helm could not install the operator: its words, its pods and their last events stand above"
}
kubectl wait --for=condition=Established crd/trainingruns.training.badgerdoc.dev --timeout=30s > /dev/null
log "the operator runs: $(k get deployment trainingrun-operator --no-headers)"
