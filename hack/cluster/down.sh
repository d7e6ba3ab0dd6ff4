#!/usr/bin/env bash
# down.sh [--purge]: ends the local cluster: its processes and pods, link, routes, mounts and cgroups. Its data stays in the
# state folder for the next up.sh; --purge deletes that, too. CLUSTER=current: does nothing.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
purge=0
case "$*" in
  '') ;;
  --purge) purge=1 ;;
  *) die "usage: hack/cluster/down.sh [--purge]" ;;
esac
if [ "${CLUSTER:-local}" = current ]; then
  echo "CLUSTER=current: that cluster is yours, and nothing is stopped; 'helm uninstall trainingrun-operator --namespace trainingrun-system' takes the operator away"
  exit 0
fi
require_root
mkdir -p /run/lock
exec 9> /run/lock/trainingrun-cluster.lock
flock --timeout 900 9 || die "another up.sh or down.sh is still at work after 15 minutes"

was=down
if pid=$(cluster_pid); then
  was=up
  stop_cluster "$pid"
fi
# What is there now may belong to a cluster with another state folder; the kernel even unmounts what it has on a folder that goes.
if ! other_cluster > /dev/null; then
  remove_leftovers
  if [ -f "$CLUSTER_DIR/made-folders" ]; then
    # Mount points that this machine did not have. rmdir refuses one that has become somebody's.
    tac "$CLUSTER_DIR/made-folders" | while read -r folder; do rmdir "$folder" 2> /dev/null || true; done
    rm -f "$CLUSTER_DIR/made-folders"
  fi
fi
if [ $purge = 1 ] && [ -d "$TRAININGRUN_STATE" ]; then
  # The folder must look like ours, and nothing may be mounted in it: an rm -rf must never walk into something else.
  [ -d "$CLUSTER_DIR" ] || die "$TRAININGRUN_STATE has no folder 'cluster', so it is not a state folder of ours; delete it yourself if you are sure"
  real=$(readlink --canonicalize "$TRAININGRUN_STATE")
  mounted=$(awk -v folder="$real/" 'index($5 "/", folder) == 1 { print $5 }' /proc/self/mountinfo | head -n 1)
  [ -z "$mounted" ] || [ "$mounted" = "$real" ] || die "$mounted is still mounted; unmount it, then run this again"
  rm -rf --one-file-system "${real:?}"/{cluster,registry,s3,logs,demo,kubeconfig,images.env}
  rmdir "$real" 2> /dev/null || log "left in $real what is not the cluster's: $(find "$real" -mindepth 1 -maxdepth 1 -printf '%f ')"
  echo "down, and its state is deleted"
elif [ $was = up ]; then
  echo "down; the data stays in $TRAININGRUN_STATE"
else
  echo "was not running; the data, if any, stays in $TRAININGRUN_STATE"
fi
