#!/usr/bin/env bash
# inside.sh CLUSTER_DIR: pid 1 of the cluster's own pid, mount and network namespaces. up.sh starts it; nobody else does.
# Prepares mounts and addresses, then keeps every component running: one that ends is started again, unless component.sh
# stopped it. When this process ends, the kernel ends everything below it, pods included, and every mount is gone.
# From up.sh's environment: BINARIES (folder), WEED, PYTHON, PAUSE_IMAGE (files).
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
config=$CLUSTER_DIR/config
pki=$CLUSTER_DIR/pki
cd /

# folder PATH: a mount point that the kubelet's world takes for granted; down.sh removes those that the host did not have
folder() {
  [ -d "$1" ] || { mkdir -p "$1"; echo "$1" >> "$CLUSTER_DIR/made-folders"; }
}

# Everything that mounts (kubelet, containerd, runc, CNI) must share this one mount namespace.
prepare_mounts() {
  local mount
  mount --make-rprivate /       # nothing travels to the host ...
  mount --make-rshared /        # ... and below here, what is unmounted is unmounted for every part
  # A build that runs on the host at this moment has its layers mounted; a copy of them here would keep them in use for ever.
  awk '$3 == "overlay" && $2 != "/" { print $2 }' /proc/mounts | tac | while read -r mount; do umount --lazy "$mount" || true; done
  # Sockets, network namespaces, runc's and containerd's running state: empty at every start, as after a reboot.
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/netns /run/lock
  folder /var/lib/kubelet
  folder /var/log/pods
  folder /var/log/containers
  folder /var/lib/cni
  mkdir -p "$CLUSTER_DIR/kubelet" "$LOG_DIR/pods"
  mount --bind "$CLUSTER_DIR/kubelet" /var/lib/kubelet      # the device plugins' socket folder is fixed to /var/lib/kubelet
  mount --bind "$LOG_DIR/pods" /var/log/pods
  mount -t tmpfs tmpfs /var/log/containers
  mount -t tmpfs tmpfs /var/lib/cni                         # addresses given to pods: their namespaces are gone after a crash
}

# The kubelet sets these for the whole machine (a panic reboots it!). It finds files that already say so, and leaves
# the kernel alone; nothing needs to be put back, not even after SIGKILL.
cover_global_settings() {
  local setting
  mkdir -p "$RUN_DIR/sysctl"
  for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
      kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    local file=$RUN_DIR/sysctl/${setting##*/}
    echo "${setting#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
}

prepare_cgroups() {
  local mount controller
  if [ "$(cgroup_mounts)" = /sys/fs/cgroup ]; then
    # cgroup v2: a child has only the controllers that its parent hands down. down.sh takes back what is added here.
    for controller in cpuset cpu io memory hugetlb pids; do
      grep -qw "$controller" /sys/fs/cgroup/cgroup.controllers || continue
      ! grep -qw "$controller" /sys/fs/cgroup/cgroup.subtree_control || continue
      echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control || continue
      echo "$controller" >> "$CLUSTER_DIR/cgroup-controllers-added"
    done
    for controller in cpuset cpu memory pids; do
      grep -qw "$controller" /sys/fs/cgroup/cgroup.subtree_control ||
        die "cgroup v2 does not hand down the controller '$controller' here; run on the host, or in a container with --privileged and --cgroupns=host"
    done
  fi
  while read -r mount; do
    mkdir -p "$mount/$CGROUP"
  done < <(cgroup_mounts)
}

prepare_network() {
  ip link set lo up
  for _ in $(seq 300); do
    ! ip link show "$NODE_LINK" > /dev/null 2>&1 || break       # up.sh moves it here
    sleep 0.1
  done
  ip address add "$NODE_IP/24" dev "$NODE_LINK"
  ip link set "$NODE_LINK" up
  # A Service address is rewritten after its first route look-up: any route will do, but there must be one. There is no
  # default route, so that a program that tries the internet hears "unreachable" at once instead of waiting.
  ip route add "$SERVICE_NET" dev "$NODE_LINK"
  echo 1 > /proc/sys/net/ipv4/ip_forward
  # Without it an answer between two pods of one bridge skips the way back through the Service's address.
  echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables 2> /dev/null || true
}

# SeaweedFS gets a /tmp of its own, so that its sockets do not stay behind in the host's; not where that would hide itself.
private_tmp=(unshare --mount --propagation slave bash -c 'mount -t tmpfs tmpfs /tmp && exec "$@"' weed)
if [[ $CLUSTER_DIR == /tmp/* || $WEED == /tmp/* ]]; then private_tmp=(env); fi

# component NAME: becomes that program
component() {
  case $1 in
    etcd) exec etcd --name node1 --data-dir "$CLUSTER_DIR/etcd" --log-level warn --listen-peer-urls http://127.0.0.1:2380 \
      --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
      --quota-backend-bytes 4294967296 ;;
    containerd) exec containerd --config "$config/containerd.toml" ;;
    apiserver) exec "$BINARIES/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 --advertise-address="$NODE_IP" \
      --service-cluster-ip-range="$SERVICE_NET" --allow-privileged=true --profiling=false \
      --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
      --service-account-issuer=https://kubernetes.default.svc.cluster.local \
      --service-account-jwks-uri=https://kubernetes.default.svc.cluster.local/openid/v1/jwks \
      --service-account-key-file="$pki/service-account.pub" --service-account-signing-key-file="$pki/service-account.key" \
      --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
      --kubelet-client-certificate="$pki/apiserver-to-kubelet.crt" --kubelet-client-key="$pki/apiserver-to-kubelet.key" \
      --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
      --requestheader-client-ca-file="$pki/ca.crt" --requestheader-allowed-names=front-proxy-client \
      --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
      --requestheader-extra-headers-prefix=X-Remote-Extra- \
      --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key" ;;
    # The default 20 requests a second of the controller manager would be what a test of 1,000 Jobs measures.
    controller-manager) exec "$BINARIES/kube-controller-manager" --kubeconfig="$config/controller-manager.kubeconfig" \
      --authentication-kubeconfig="$config/controller-manager.kubeconfig" --authorization-kubeconfig="$config/controller-manager.kubeconfig" \
      --bind-address=127.0.0.1 --leader-elect=false --profiling=false --kube-api-qps=200 --kube-api-burst=400 \
      --use-service-account-credentials=true --service-account-private-key-file="$pki/service-account.key" --root-ca-file="$pki/ca.crt" \
      --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
      --cluster-cidr="$POD_NET" --allocate-node-cidrs=false --service-cluster-ip-range="$SERVICE_NET" ;;
    scheduler) exec "$BINARIES/kube-scheduler" --kubeconfig="$config/scheduler.kubeconfig" \
      --authentication-kubeconfig="$config/scheduler.kubeconfig" --authorization-kubeconfig="$config/scheduler.kubeconfig" \
      --bind-address=127.0.0.1 --leader-elect=false --profiling=false --kube-api-qps=200 --kube-api-burst=400 ;;
    kubelet) exec "$BINARIES/kubelet" --config="$config/kubelet.yaml" --kubeconfig="$config/node.kubeconfig" \
      --hostname-override="$NODE_NAME" --node-ip="$NODE_IP" --root-dir=/var/lib/kubelet --v=2 ;;
    proxy) exec "$BINARIES/kube-proxy" --config="$config/proxy.yaml" ;;
    coredns) exec "$BINARIES/coredns" -conf "$config/Corefile" ;;
    registry) exec docker-registry serve "$config/registry.yaml" ;;
    # As in S3 itself, a write makes no bucket and a bucket that is not empty can't be deleted.
    # Alone, it has nobody to wait for: an election of 10 s and as long an end are for clusters of it.
    # Its ports are its own, since it makes sockets in /tmp named by port, and two instances with equal ones talk to each other.
    s3) WEED_S3_SSE_KEY=$(cat "$S3_DIR/sse-key")
      export WEED_S3_SSE_KEY WEED_MASTER_VOLUME_GROWTH_COPY_1=2      # files grown per bucket at its first write
      exec "${private_tmp[@]}" "$WEED" -logtostderr server -dir="$S3_DIR/data" -ip="$NODE_IP" -ip.bind="$NODE_IP" -master.telemetry=false \
        -master.port=29333 -volume.port=28080 -master.volumeSizeLimitMB=256 -volume.max=4000 \
        -master.electionTimeout=1s -volume.preStopSeconds=0 -filer -filer.port=28888 \
        -s3 -s3.port=8333 -s3.autoCreateBucket=false -s3.allowDeleteBucketNotEmpty=false \
        -s3.config="$S3_DIR/config.json" \
        -filer.localSocket="$RUN_DIR/weed-filer.sock" -s3.localSocket="$RUN_DIR/weed-s3.sock" ;;
    gpu-plugin) exec "$PYTHON" "$cluster_lib/gpu_plugin/fake_gpu_plugin.py" --count "$(cat "$CLUSTER_DIR/fake-gpus")" \
      --unhealthy-file "$CLUSTER_DIR/unhealthy-gpus" ;;
    kwok) exec "$BINARIES/kwok" --kubeconfig "$KUBECONFIG_FILE" --config "$BINARIES/kwok-stages/stages.yaml" \
      --manage-all-nodes=false --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake ;;
  esac
}

# supervise NAME: keeps a component running. Waits longer and longer between starts that fail at once.
supervise() {
  local name=$1 pid code started delay=1
  exec >> "$LOG_DIR/$name.log" 2>&1
  while :; do
    while [ -e "$RUN_DIR/$name.stopped" ]; do sleep 0.3; done
    started=$SECONDS
    component "$name" &
    pid=$!
    echo $pid > "$RUN_DIR/$name.pid"
    code=0
    wait $pid || code=$?
    rm -f "$RUN_DIR/$name.pid"
    if ((SECONDS - started > 10)); then delay=1; elif ((delay < 8)); then delay=$((delay * 2)); fi
    echo "== $(date +%FT%TZ --utc) $name ended with $code; next start in $((delay / 2)) s"
    sleep $((delay / 2))
  done
}

# until_answers SECONDS COMMAND...
until_answers() {
  local tries=$(($1 * 10))
  shift
  for _ in $(seq $tries); do
    if "$@" > /dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "== gave up waiting for: $*"
}
get() { curl --silent --fail --insecure --max-time 2 --output /dev/null "$1"; }

# An orderly end: what holds data gets SIGTERM and a moment; the rest, pods included, ends with this process as in a power cut.
stop() {
  local name pids=()
  trap '' TERM INT
  # shellcheck disable=SC2046
  kill -KILL $(jobs -p) 2> /dev/null || true                    # the supervisors, so that nothing starts again
  for name in etcd s3 registry; do
    [ ! -s "$RUN_DIR/$name.pid" ] || pids+=("$(cat "$RUN_DIR/$name.pid")")
  done
  [ ${#pids[@]} = 0 ] || kill -TERM "${pids[@]}" 2> /dev/null || true
  for _ in $(seq 30); do
    local running=0 pid
    for pid in "${pids[@]}"; do
      grep -Eqs '^State:[[:space:]]+[^ZX]' "/proc/$pid/status" && running=1
    done
    [ $running = 1 ] || break
    sleep 0.1
  done
  exit 0
}
trap stop TERM INT

prepare_mounts
cover_global_settings
prepare_cgroups
prepare_network
for name in etcd containerd registry s3; do supervise $name & done
until_answers 60 get http://127.0.0.1:2379/health
supervise apiserver &
until_answers 60 ctr --address "$CONTAINERD_SOCKET" version
ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io images import "$PAUSE_IMAGE"
until_answers 120 get https://127.0.0.1:6443/livez
for name in kubelet gpu-plugin; do supervise $name & done
# Not /livez: the built-in roles exist only from here on, and a controller that starts before them gives up for good.
until_answers 120 get https://127.0.0.1:6443/readyz
for name in controller-manager scheduler proxy coredns kwok; do supervise $name & done
echo "== $(date +%FT%TZ --utc) every component is started"
while :; do wait || true; done      # this also reaps the orphans that a pid 1 inherits
