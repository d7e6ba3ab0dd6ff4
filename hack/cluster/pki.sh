#!/usr/bin/env bash
# Makes the cluster's keys and certificates in its state folder, once. They are good for ten years: this cluster is for one
# machine, and must come back after any pause. Everything is signed by one certificate authority that never leaves the folder.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
umask 077
mkdir -p "$CLUSTER_DIR/pki"
cd "$CLUSTER_DIR/pki"
[ ! -e .complete ] || exit 0

days=3650
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# certificate NAME SUBJECT EXTENSIONS: a key and a certificate signed by our authority
certificate() {
  new_key "$1"
  openssl req -new -key "$1.key" -subj "$2" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 8)" -days $days \
      -extfile <(printf '%s\n' "$3") -out "$1.crt" 2> /dev/null
}
client() { certificate "$1" "$2" 'extendedKeyUsage=clientAuth'; }

new_key ca
openssl req -x509 -new -key ca.key -days $days -subj '/CN=trainingrun local cluster' -out ca.crt
new_key service-account
openssl ec -in service-account.key -pubout -out service-account.pub 2> /dev/null

certificate apiserver /CN=kube-apiserver "extendedKeyUsage=serverAuth
subjectAltName=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$KUBERNETES_SERVICE_IP,IP:$NODE_IP"
certificate kubelet-server "/O=system:nodes/CN=system:node:$NODE_NAME" "extendedKeyUsage=serverAuth
subjectAltName=DNS:$NODE_NAME,IP:$NODE_IP"
client admin /O=system:masters/CN=admin
client apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
client front-proxy /CN=front-proxy-client
client node "/O=system:nodes/CN=system:node:$NODE_NAME"        # the name that the Node authorizer goes by
client controller-manager /CN=system:kube-controller-manager
client scheduler /CN=system:kube-scheduler
client proxy /CN=system:kube-proxy
client coredns /CN=system:coredns
touch .complete
