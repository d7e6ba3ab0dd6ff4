#!/usr/bin/env bash
# up.sh [--kwok-nodes N]: starts the one-machine Kubernetes with its registry, S3 server and fake GPUs, and waits until
# all of it answers. Does nothing when it is up; starts it anew when what runs is not what this checkout has. Objects, images
# and buckets of the last time are still there.
# CLUSTER=current: starts nothing, uses the kubeconfig's own context. FAKE_GPUS=N: nvidia.com/gpu devices (2).
# KWOK_NODES=N: the same as the option: N simulated nodes (0).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
project=$(cd "$cluster_lib/../.." && pwd)
started=$SECONDS

usage() { die "usage: hack/cluster/up.sh [--kwok-nodes N]"; }
kwok_nodes=${KWOK_NODES:-}
while [ $# -gt 0 ]; do
  case $1 in
    --kwok-nodes) [ $# -ge 2 ] || usage; kwok_nodes=$2; shift 2 ;;
    --kwok-nodes=*) kwok_nodes=${1#*=}; shift ;;
    *) usage ;;
  esac
done
[[ $kwok_nodes =~ ^[0-9]*$ ]] || die "the number of kwok nodes must be a whole number, not '$kwok_nodes'"
[[ ${FAKE_GPUS:-} =~ ^[0-9]*$ ]] || die "FAKE_GPUS must be a whole number, not '$FAKE_GPUS'"

use_current_context() {
  local context
  context=$("$cluster_lib/kubectl.sh" config current-context 2> /dev/null) ||
    die "CLUSTER=current, but the kubeconfig has no current context; choose one with: kubectl config use-context NAME"
  "$cluster_lib/kubectl.sh" --request-timeout=10s get --raw /readyz > /dev/null ||
    die "CLUSTER=current, but the cluster of context '$context' does not answer; check it with: kubectl --context $context get nodes"
  echo "using the current context '$context'; nothing was started"
}

check_programs() {
  local program missing=()
  for program in etcd containerd ctr runc iptables conntrack ip nsenter unshare curl openssl docker-registry gcc; do
    command -v $program > /dev/null || missing+=("$program")
  done
  [ -x /usr/lib/cni/bridge ] || missing+=(/usr/lib/cni/bridge)
  [ ${#missing[@]} = 0 ] || die "missing on this machine: ${missing[*]}; install the Debian packages with hack/setup/apt.sh"
}

# What the supervised components need, found or built before anything is changed.
find_parts() {
  PYTHON=$project/.venv/bin/python
  "$PYTHON" -c 'import grpc, grpc_tools' 2> /dev/null || die "the fake GPU plugin needs grpcio in .venv; install it with hack/setup/venv.sh"
  WEED=$("$project/hack/cluster/s3.sh" binary)
  BINARIES=$("$cluster_lib/build-binaries.sh")
  PAUSE_IMAGE=$("$cluster_lib/pause-image.sh")
}

check_machine() {
  local net route
  case $TRAININGRUN_STATE/ in
    /run/* | /var/run/* | /proc/* | /sys/* | /var/lib/kubelet/* | /var/lib/cni/*)
      die "TRAININGRUN_STATE=$TRAININGRUN_STATE can't be used, the cluster mounts over it; choose a folder on a disk" ;;
  esac
  [[ $TRAININGRUN_STATE =~ ^/[A-Za-z0-9._/-]+$ ]] || die "TRAININGRUN_STATE must be an absolute path of plain characters, not '$TRAININGRUN_STATE'"
  if [ "$(stat --file-system --format %T "$TRAININGRUN_STATE")" = overlayfs ]; then
    die "TRAININGRUN_STATE=$TRAININGRUN_STATE is on overlayfs, where containerd can't unpack images; set it to a folder on a disk or a volume"
  fi
  for net in "$LINK_NET" "$POD_NET" "$SERVICE_NET"; do
    route=$({ ip -4 route show root "$net"; ip -4 route show match "$net"; } | grep -v '^default' | head -n 1) || true
    [ -z "$route" ] || die "this machine already has a route into $net ($route), which the local cluster needs; take that route away, or use CLUSTER=current"
  done
  # Loads what may be a module here; where it is built in, or can't be loaded, the cluster says so itself.
  modprobe --all --quiet overlay br_netfilter veth nf_conntrack 2> /dev/null || true
}

# What the processes of the cluster come from.
version() { cat "$cluster_lib"/{inside,lib,config,build-binaries}.sh "$project"/hack/cluster/gpu_plugin/*.{py,proto} "$project/requirements/dev.txt" | sha256sum; }

# Whether what runs is what this checkout would start. Another clone's will do, while that is there and the same.
is_current() {
  local recorded=() program
  mapfile -t recorded 2> /dev/null < "$RUN_DIR/started-from" || return 1
  [ "${recorded[0]:-}" = "$(version)" ] || return 1
  for program in "${recorded[@]:1}"; do [ -e "$program" ] || return 1; done
}

# Of our own images those stay that images.env names; with the others go the blobs that nothing else holds.
collect_garbage() {
  local tag
  [ -s "$TRAININGRUN_STATE/images.env" ] && [ -d "$REGISTRY_DIR/docker" ] || return 0
  for tag in "$REGISTRY_DIR"/docker/registry/v2/repositories/trainingrun/*/_manifests/tags/*; do
    [[ ! ${tag##*/} =~ ^[0-9a-f]{16}$ ]] || grep --quiet ":${tag##*/}$" "$TRAININGRUN_STATE/images.env" || rm -rf --one-file-system "$tag"
  done
  docker-registry garbage-collect --delete-untagged "$CLUSTER_DIR/config/registry.yaml" > "$LOG_DIR/garbage.log" 2>&1 ||
    log "warning: the registry's garbage could not be collected; see $LOG_DIR/garbage.log"
}

# Keeps one older log of each component, so that the folder can't grow without end over many starts.
rotate_logs() {
  local file
  for file in "$LOG_DIR"/*.log; do
    if [ -f "$file" ] && [ "$(stat --format %s "$file")" -gt 20000000 ]; then mv "$file" "$file.1"; fi
  done
}

launch() {
  local pid=
  rm -rf --one-file-system "$RUN_DIR"
  mkdir -p "$RUN_DIR" "$LOG_DIR" "$REGISTRY_DIR" "$S3_DIR/data" "$CLUSTER_DIR/etcd"
  chmod 700 "$CLUSTER_DIR" "$CLUSTER_DIR/etcd" "$S3_DIR"
  rotate_logs
  collect_garbage
  printf '%s\n' "$(version)" "$cluster_lib/inside.sh" "$BINARIES/kubelet" "$WEED" "$PYTHON" > "$RUN_DIR/started-from"
  [ "$(cat "$CLUSTER_DIR/kwok-nodes" 2> /dev/null || echo 0)" != 0 ] || touch "$RUN_DIR/kwok.stopped"
  # A clean environment: a proxy's address or somebody's cloud keys have no business in a kubelet.
  setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    TRAININGRUN_STATE="$TRAININGRUN_STATE" TRAININGRUN_CACHE="$TRAININGRUN_CACHE" \
    BINARIES="$BINARIES" WEED="$WEED" PYTHON="$PYTHON" PAUSE_IMAGE="$PAUSE_IMAGE" \
    unshare --mount --net --pid --fork --mount-proc --kill-child=SIGKILL \
    bash "$cluster_lib/inside.sh" "$CLUSTER_DIR" < /dev/null >> "$LOG_DIR/inside.log" 2>&1 9>&- &
  for _ in $(seq 100); do
    if pid=$(cluster_pid); then break; fi
    sleep 0.05
  done
  [ -n "$pid" ] || die "the cluster's first process did not start: $(tail -n 1 "$LOG_DIR/inside.log")"
  ip link add "$HOST_LINK" type veth peer name "$NODE_LINK" netns "$pid" || {
    cluster_pid > /dev/null || die "the cluster's first process ended: $(tail -n 1 "$LOG_DIR/inside.log"); see $LOG_DIR/inside.log"
    die "could not make the link $HOST_LINK into the cluster's network; the kernel needs veth (modprobe veth)"
  }
  ip address add "$HOST_IP/24" dev "$HOST_LINK"
  ip link set "$HOST_LINK" up
  ip route add "$POD_NET" via "$NODE_IP"
  ip route add "$SERVICE_NET" via "$NODE_IP"
}

# wait_for SECONDS COMPONENT WHAT CHECK...: one line when it is there; the component's own last words when it is not
wait_for() {
  local deadline=$((SECONDS + $1)) name=$2 what=$3
  shift 3
  until "$@" > /dev/null 2>&1; do
    cluster_pid > /dev/null || die "the cluster's first process ended: $(tail -n 1 "$LOG_DIR/inside.log"); see $LOG_DIR/inside.log"
    if ((SECONDS > deadline)); then
      tail -n 5 "$LOG_DIR/$name.log" >&2
      die "not there in time: $what; the lines above end $LOG_DIR/$name.log; try hack/cluster/down.sh and up.sh again"
    fi
    sleep 0.2
  done
  log "$what ($((SECONDS - started)) s)"
}

api_ready() { api_get /readyz; }
# What etcd remembers of the node from before a crash still says Ready: only a heartbeat of this start counts.
node_ready() {
  api_get "/api/v1/nodes/$NODE_NAME" | "$PYTHON" -c '
import json, sys
status = json.load(sys.stdin)["status"]
ready = next(c for c in status["conditions"] if c["type"] == "Ready")
sys.exit(not (ready["status"] == "True" and ready["lastHeartbeatTime"] >= sys.argv[1]))' "$1"
}
gpus_ready() {
  [ "$(api_get "/api/v1/nodes/$NODE_NAME" | "$PYTHON" -c '
import json, sys
print(json.load(sys.stdin)["status"]["allocatable"].get("nvidia.com/gpu", "0"))')" = "$(healthy_gpus)" ]
}
healthy_gpus() {
  local count bad
  count=$(cat "$CLUSTER_DIR/fake-gpus")
  bad=$(grep -cE '^GPU-fake-[0-9]+$' "$CLUSTER_DIR/unhealthy-gpus" 2> /dev/null) || true
  echo $((count - ${bad:-0}))
}
dns_answers() {
  "$PYTHON" - "$NODE_IP" << 'PY'
import socket, sys
name = b"".join(bytes([len(p)]) + p for p in b"kubernetes.default.svc.cluster.local".split(b".")) + b"\0"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(1)
    s.sendto(b"\x12\x34\x01\x00\x00\x01" + b"\0" * 6 + name + b"\0\1\0\1", (sys.argv[1], 53))
    answer = s.recv(512)
sys.exit(not (answer[3] & 15 == 0 and answer[7] >= 1))
PY
}
url_answers() { curl --silent --max-time 2 --noproxy '*' --output /dev/null "$1"; }

remember_gpus() {
  local before
  before=$(cat "$CLUSTER_DIR/fake-gpus" 2> /dev/null || true)
  echo "${FAKE_GPUS:-${before:-2}}" > "$CLUSTER_DIR/fake-gpus"
  [ "$before" = "$(cat "$CLUSTER_DIR/fake-gpus")" ]
}

if [ "${CLUSTER:-local}" = current ]; then
  use_current_context
  exit 0
fi
[ "${CLUSTER:-local}" = local ] || die "CLUSTER must be 'local' or 'current', not '$CLUSTER'"
require_root
mkdir -p /run/lock
exec 9> /run/lock/trainingrun-cluster.lock
flock --nonblock 9 || { log "another up.sh or down.sh is at work; waiting for it"; flock --timeout 900 9 || die "it is still at work after 15 minutes; look with: fuser -v /run/lock/trainingrun-cluster.lock"; }

# What a test stopped and did not bring back is brought back here, and waited for.
stopped=$(find "$RUN_DIR" -name '*.stopped' ! -name kwok.stopped -printf '%f ' 2> /dev/null || true)
pid=$(cluster_pid) || pid=
if [ -n "$pid" ] && [ -n "$stopped" ]; then
  log "starting what was stopped: ${stopped//.stopped/}"
  find "$RUN_DIR" -name '*.stopped' ! -name kwok.stopped -delete
elif [ -n "$pid" ] && is_current && [ -e "$RUN_DIR/ready" ] && api_ready > /dev/null; then
  remember_gpus || "$cluster_lib/component.sh" restart gpu-plugin
  [ -z "$kwok_nodes" ] || "$cluster_lib/kwok-nodes.sh" "$kwok_nodes"
  echo "already up (pid $pid): export KUBECONFIG=$KUBECONFIG_FILE"
  exit 0
fi
if other=$(other_cluster); then
  die "a local cluster runs already, with its state in $other, and a machine has room for one; stop that with: TRAININGRUN_STATE=$other hack/cluster/down.sh"
fi
check_programs
mkdir -p "$CLUSTER_DIR"
if [ -z "$pid" ]; then
  remove_leftovers
  check_machine
fi
find_parts
if [ -n "$pid" ] && ! is_current; then
  log "what runs was started from other files than this checkout's ($project); starting it anew, its data stays"
  stop_cluster "$pid"
  remove_leftovers
  pid=
fi
boot_time=$(date --utc +%FT%TZ)
if [ -n "$pid" ]; then
  log "the cluster runs, but not all of it answers yet; waiting for it"
  boot_time=
  remember_gpus || true
else
  log "starting the local cluster in $TRAININGRUN_STATE"
  remember_gpus || true
  "$cluster_lib/pki.sh"
  "$cluster_lib/config.sh"
  "$project/hack/cluster/s3.sh" prepare
  launch
fi
wait_for 180 apiserver "API server answers at $API_SERVER" api_ready
"$BINARIES/kubectl" --kubeconfig "$KUBECONFIG_FILE" apply --server-side --force-conflicts --field-manager trainingrun-cluster \
  --filename "$cluster_lib/rbac.yaml" > /dev/null
wait_for 60 registry "registry answers at http://$REGISTRY" url_answers "http://$REGISTRY/v2/"
wait_for 60 s3 "S3 answers at $S3_ENDPOINT" url_answers "$S3_ENDPOINT"
wait_for 120 kubelet "node $NODE_NAME is Ready" node_ready "$boot_time"
wait_for 60 coredns "DNS answers at $NODE_IP" dns_answers
wait_for 60 gpu-plugin "$(healthy_gpus) fake nvidia.com/gpu to give away" gpus_ready
wait_for 60 controller-manager "the namespace default has its service account" api_get /api/v1/namespaces/default/serviceaccounts/default
touch "$RUN_DIR/ready"
[ -z "$kwok_nodes" ] || "$cluster_lib/kwok-nodes.sh" "$kwok_nodes"
echo "up after $((SECONDS - started)) s: export KUBECONFIG=$KUBECONFIG_FILE"
