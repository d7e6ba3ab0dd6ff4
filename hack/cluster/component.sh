#!/usr/bin/env bash
# component.sh list | stop NAME | start NAME | restart NAME | kill NAME
# Looks at, stops and starts single parts of the running cluster, for tests of what happens without them.
# stop: SIGTERM (after 5 s SIGKILL), and it stays away until start. restart: the same, it comes back by itself. kill: SIGKILL,
# it comes back by itself.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
usage() { die "usage: hack/cluster/component.sh list | stop NAME | start NAME | restart NAME | kill NAME; names: $COMPONENTS"; }
action=${1:-list}
name=${2:-}
require_root
cluster_pid > /dev/null || die "the local cluster is not running; start it with hack/cluster/up.sh"

# The pid file is the supervisor's own, of this very run, and counts pids inside the cluster: it can't name a process of the host.
signal() {
  local pid
  pid=$(cat "$RUN_DIR/$name.pid" 2> /dev/null) || return 0
  in_cluster kill "-$1" "$pid" 2> /dev/null || true
  for _ in $(seq 50); do
    [ "$(cat "$RUN_DIR/$name.pid" 2> /dev/null || true)" = "$pid" ] || return 0
    sleep 0.1
  done
  in_cluster kill -KILL "$pid" 2> /dev/null || true
}

if [ "$action" = list ]; then
  for name in $COMPONENTS; do
    if [ -s "$RUN_DIR/$name.pid" ]; then state="runs (pid $(cat "$RUN_DIR/$name.pid") inside)"
    elif [ -e "$RUN_DIR/$name.stopped" ]; then state=stopped
    else state="between two starts"; fi
    printf '%-20s %s\n' "$name" "$state"
  done
  exit 0
fi
[[ " $COMPONENTS " == *" $name "* && -n $name ]] || usage
case $action in
  stop) touch "$RUN_DIR/$name.stopped"; signal TERM ;;
  start) rm -f "$RUN_DIR/$name.stopped" ;;
  restart) signal TERM ;;
  kill) signal KILL ;;
  *) usage ;;
esac
