#!/usr/bin/env bash
# demo.sh [--source FOLDER] [--documents N]: everything from an empty machine to a trained model. `make demo` calls it.
# CLUSTER=current: on the kubeconfig's own cluster, with a registry and an S3 of yours.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../setup/env.sh
. "$here/../setup/env.sh"
python=$here/../../.venv/bin/python
# Its modules are imported as hack.…
export PYTHONPATH=$here/../..${PYTHONPATH:+:$PYTHONPATH}

# Before anything is built: what only the user can provide.
"$python" -m hack.demo.demo --check "$@"
if [ "${CLUSTER:-local}" = current ]; then
  missing=()
  for program in kubectl helm; do command -v $program > /dev/null || missing+=("$program"); done
  for variable in REGISTRY AWS_S3_ENDPOINT AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY; do [ -n "${!variable:-}" ] || missing+=("$variable"); done
  [ ${#missing[@]} = 0 ] || die "CLUSTER=current needs ${missing[*]}: install kubectl and Helm 4, and export a registry and an S3 that the cluster reaches"
  [[ $(helm version --template '{{.Version}}') == v[4-9]* ]] || die "CLUSTER=current needs Helm 4, and this is $(helm version --short): install a newer one"
fi

"$here/../cluster/up.sh"
"$here/../images/build.sh" > /dev/null
"$here/../cluster/install-operator.sh"
export KUBECONFIG
KUBECONFIG=$("$here/../cluster/kubeconfig.sh")
if [ "${CLUSTER:-local}" = local ]; then
  PATH=$("$here/../cluster/build-binaries.sh"):$PATH
  eval "$("$here/../cluster/s3.sh" env)"
fi
exec "$python" -m hack.demo.demo "$@"
