# What the scripts of the local cluster share: addresses, folders, and how its process tree is found. Sourced, never run.
# shellcheck shell=bash disable=SC2034

cluster_lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../setup/env.sh
. "$cluster_lib/../setup/env.sh"

# The addresses are fixed (they are in certificates and in every image name), so a machine runs one such cluster.
NODE_NAME=node1
NODE_IP=10.89.0.1 HOST_IP=10.89.0.254 LINK_NET=10.89.0.0/24
POD_NET=10.244.0.0/24 SERVICE_NET=10.96.0.0/16 KUBERNETES_SERVICE_IP=10.96.0.1
HOST_LINK=trainingrun0 NODE_LINK=node0      # the two ends of the veth pair
API_SERVER=https://$NODE_IP:6443 REGISTRY=$NODE_IP:5000 S3_ENDPOINT=http://$NODE_IP:8333
CGROUP=trainingrun                          # pods live in <hierarchy>/trainingrun/kubepods

CLUSTER_DIR=$TRAININGRUN_STATE/cluster
REGISTRY_DIR=$TRAININGRUN_STATE/registry
S3_DIR=$TRAININGRUN_STATE/s3
LOG_DIR=$TRAININGRUN_STATE/logs
RUN_DIR=$CLUSTER_DIR/run                    # pid files and switches; emptied at every start
KUBECONFIG_FILE=$TRAININGRUN_STATE/kubeconfig
CONTAINERD_SOCKET=$RUN_DIR/containerd.sock

# In the order in which a person wants to read about them.
COMPONENTS="etcd apiserver controller-manager scheduler kubelet proxy containerd coredns registry s3 gpu-plugin kwok"

# Prints "PID FOLDER" of the pid 1 of every local cluster on this machine. There is no pid file that could name a stranger
# after a crash: the process must be inside.sh, with its state folder, and pid 1 of a pid namespace of its own.
running_clusters() {
  local pid arguments
  for pid in $(pgrep --full 'inside\.sh'); do
    mapfile -d '' -t arguments 2> /dev/null < "/proc/$pid/cmdline" || continue
    [[ ${arguments[1]:-} == */hack/cluster/inside.sh && -n ${arguments[2]:-} ]] || continue
    grep -Eqs '^NSpid:.*[[:space:]]1$' "/proc/$pid/status" || continue
    # A killed one is a zombie without namespaces until its parent has noticed.
    grep -Eqs '^State:[[:space:]]+[ZX]' "/proc/$pid/status" && continue
    echo "$pid ${arguments[2]}"
  done
}

# Prints the host's pid of this state folder's cluster, or fails.
cluster_pid() {
  local pid folder
  while read -r pid folder; do
    if [ "$folder" = "$CLUSTER_DIR" ]; then echo "$pid"; return 0; fi
  done < <(running_clusters)
  return 1
}

# Prints the state folder of a cluster that runs with another one, or fails. It has the addresses, the link and the cgroups.
other_cluster() {
  local pid folder
  while read -r pid folder; do
    if [ "$folder" != "$CLUSTER_DIR" ]; then dirname "$folder"; return 0; fi
  done < <(running_clusters)
  return 1
}

# Ends the process tree of this state folder's cluster, whose pid 1 is PID. Its links, routes and cgroups: remove_leftovers.
stop_cluster() {
  log "stopping the cluster's process tree (pid $1)"
  kill -TERM "$1" 2> /dev/null || true
  if ! cluster_is_gone "$1" 10; then
    log "it did not end by itself in 10 s; killing it"
    kill -KILL "$1" 2> /dev/null || true
    cluster_is_gone "$1" 30 || die "the process $1 can't be killed (state $(awk '/^State/ { print $2 }' "/proc/$1/status")); a disk may hang: see dmesg"
  fi
}

# cluster_is_gone PID SECONDS: whether it has ended within that time
cluster_is_gone() {
  local _
  for _ in $(seq $(($2 * 20))); do
    [ "$(cluster_pid || true)" = "$1" ] || return 0
    sleep 0.05
  done
  return 1
}

# Runs a command inside: the cluster's network, mounts and pids. What is started so dies with the cluster.
in_cluster() {
  local pid
  pid=$(cluster_pid) || die "the local cluster is not running; start it with hack/cluster/up.sh"
  nsenter --target "$pid" --net --mount --pid -- "$@"
}

require_root() { [ "$(id -u)" = 0 ] || die "the local cluster needs root (namespaces, mounts, cgroups): run this with sudo"; }

# The mount points of every cgroup hierarchy here: one on cgroup v2; on v1 one per controller, and perhaps an empty v2 one.
cgroup_mounts() {
  if [ "$(stat --file-system --format %T /sys/fs/cgroup)" = cgroup2fs ]; then
    echo /sys/fs/cgroup
  else
    awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts
  fi
}

# GET of the API server as the administrator: much cheaper than a kubectl process, for polling.
api_get() {
  curl --silent --fail --max-time 5 --noproxy '*' --cacert "$CLUSTER_DIR/pki/ca.crt" \
    --cert "$CLUSTER_DIR/pki/admin.crt" --key "$CLUSTER_DIR/pki/admin.key" "$API_SERVER$1"
}

# Takes away what a killed cluster can leave behind: its link (routes go with it), its cgroups, controllers it switched on.
# Nothing is left to unmount: every mount lived in the tree's own mount namespace.
remove_leftovers() {
  local mount try left controller
  if ip link show "$HOST_LINK" > /dev/null 2>&1; then ip link delete "$HOST_LINK" || true; fi
  for try in $(seq 50); do
    left=0
    while read -r mount; do
      # Removal is by rmdir alone, deepest first: a cgroup that still has a process refuses, and a file can't be lost.
      [ ! -d "$mount/$CGROUP" ] || find "$mount/$CGROUP" -depth -type d -exec rmdir {} + 2> /dev/null || left=1
    done < <(cgroup_mounts)
    [ $left = 1 ] || break
    sleep 0.1
  done
  [ "$left" = 0 ] || log "warning: a cgroup named $CGROUP still holds a process (try $try); look with: find /sys/fs/cgroup -path '*/$CGROUP/*' -name cgroup.procs -exec grep -H . {} +"
  if [ -s "$CLUSTER_DIR/cgroup-controllers-added" ]; then
    while read -r controller; do
      echo "-$controller" > /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null || true    # someone else may use it by now
    done < "$CLUSTER_DIR/cgroup-controllers-added"
    rm -f "$CLUSTER_DIR/cgroup-controllers-added"
  fi
}
