#!/usr/bin/env bash
# Writes every component's configuration into the state folder, anew at each start: certificates and data are kept, settings
# always come from this file.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
umask 077
pki=$CLUSTER_DIR/pki
mkdir -p "$CLUSTER_DIR/config/cni" "$CLUSTER_DIR/config/registries/$REGISTRY"
cd "$CLUSTER_DIR/config"

# kubeconfig USER: certificates are embedded, so that the file works from anywhere
kubeconfig() {
  cat << YAML
apiVersion: v1
kind: Config
current-context: trainingrun-local
clusters:
- name: trainingrun-local
  cluster: {server: "$API_SERVER", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key")}
contexts:
- name: trainingrun-local
  context: {cluster: trainingrun-local, user: $1}
YAML
}
for user in node controller-manager scheduler proxy coredns; do kubeconfig $user > $user.kubeconfig; done
kubeconfig admin > "$KUBECONFIG_FILE.new"
mv "$KUBECONFIG_FILE.new" "$KUBECONFIG_FILE"

# - disabled plugins: snapshotters that this machine has no use for, and /opt, which belongs to the host.
# - restrict_oom_score_adj: where CAP_SYS_RESOURCE is missing (in many sandboxes) runc can't lower a score.
# - disable_apparmor: loading a profile would be a change to the host that outlives the cluster.
# - netns_mounts_under_state_dir is not needed: /run is the tree's own tmpfs.
cat > containerd.toml << TOML
version = 2
root = "$CLUSTER_DIR/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$CONTAINERD_SOCKET"
[ttrpc]
  address = "$CONTAINERD_SOCKET.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    discard_unpacked_layers = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$CLUSTER_DIR/config/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$CLUSTER_DIR/config/registries"
TOML

# The registry speaks plain HTTP on a link that never leaves this machine.
cat > "registries/$REGISTRY/hosts.toml" << TOML
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
TOML

# isDefaultGateway gives pods their default route; a 0.0.0.0/0 in ipam.routes as well would be added twice and fail.
cat > cni/10-bridge.conflist << JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "isDefaultGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_NET"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON

# - failCgroupV1: 1.34 still takes cgroup v1, which this must run on.
# - imageGCHighThresholdPercent 100: never deletes an image; ours are 5 GB and the disk may be three quarters full.
# - registryPullQPS 0 and serializeImagePulls false: a small image does not wait behind a big one.
# - resolvConf "": pods get the cluster's DNS alone, not the host's servers, which they could not reach.
cat > kubelet.yaml << YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-server.crt
tlsPrivateKeyFile: $pki/kubelet-server.key
clusterDomain: cluster.local
clusterDNS: [$NODE_IP]
resolvConf: ""
imageGCHighThresholdPercent: 100
imageMinimumGCAge: 24h
registryPullQPS: 0
serializeImagePulls: false
maxParallelImagePulls: 4
runtimeRequestTimeout: 15m
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
nodeStatusUpdateFrequency: 2s
syncFrequency: 10s
volumeStatsAggPeriod: 1m
maxPods: 110
YAML

# conntrack: 0 means hands off; those limits belong to the whole machine.
cat > proxy.yaml << YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $CLUSTER_DIR/config/proxy.kubeconfig}
mode: iptables
clusterCIDR: $POD_NET
hostnameOverride: $NODE_NAME
nodePortAddresses: [$LINK_NET]
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML

# Any other name does not exist, said at once: there is nobody to forward to, and a pod that asks must not hang. In a block
# of its own, since CoreDNS asks template before kubernetes, whatever the order here.
cat > Corefile << COREFILE
cluster.local in-addr.arpa ip6.arpa {
  bind $NODE_IP
  errors
  cache 5
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $CLUSTER_DIR/config/coredns.kubeconfig trainingrun-local
    pods insecure
    ttl 5
  }
}
. {
  bind $NODE_IP
  template ANY ANY {
    rcode NXDOMAIN
  }
}
COREFILE

# No blob cache: with one, a layer that garbage collection deleted still seems to be there at the next push.
cat > registry.yaml << YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: $REGISTRY_DIR}
  delete: {enabled: true}
http: {addr: "$REGISTRY"}
YAML
