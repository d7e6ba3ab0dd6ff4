#!/usr/bin/env bash
# Builds the cluster's binaries from their Go modules and prints the folder that holds them.
# Cached by the content of this file and Go's version: a second call only prints the folder.
#
# `go install k8s.io/kubernetes/cmd/...@v` refuses, since that module's go.mod has replace directives: a go.mod of
# our own repeats them at each staging module's own version. Without the -X flags a server calls itself v0.0.0-master
# and clients refuse it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../env.sh
. "$here/../env.sh"

kubernetes_version=1.34.4
helm_version=v4.3.1
kwok_version=v0.8.0
coredns_version=v1.14.7
commands=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

go=$("$here/../go.sh")
key=$({ cat "$here/build-binaries.sh"; "$go" version; } | sha256sum | cut -c1-16)
out=$TRAININGRUN_CACHE/bin/$key
if [ -e "$out/.complete" ]; then echo "$out"; exit 0; fi

log "building Kubernetes $kubernetes_version, helm, kwok and CoreDNS from their Go modules (about 10 minutes on 2 cores, once)"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# The build cache is 5 GB that nobody needs once the binaries exist.
export GOCACHE=$work/build-cache CGO_ENABLED=0 GOFLAGS=-modcacherw

printf 'module trainingrun.test/cluster\n\ngo 1.24.0\n' > go.mod
kubernetes_mod=$("$go" mod download -json "k8s.io/kubernetes@v$kubernetes_version" | sed -nE 's/^\s*"GoMod": "(.*)",?$/\1/p')
{
  printf 'module trainingrun.test/cluster\n\ngo 1.24.0\n\ngodebug default=go1.24\n\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes_version"
  awk '/=> .\/staging/ { sub(/^replace/, ""); print $1 }' "$kubernetes_mod" |
    while read -r module; do printf '\t%s => %s v0.%s\n' "$module" "$module" "${kubernetes_version#1.}"; done
  printf ')\n\ntool (\n'
  printf '\tk8s.io/kubernetes/cmd/%s\n' "${commands[@]}"
  printf ')\n'
} > go.mod
"$go" mod tidy
component=k8s.io/component-base/version
client=k8s.io/client-go/pkg/version
"$go" build -trimpath -o "$out/" -ldflags "-s -w \
  -X $component.gitVersion=v$kubernetes_version -X $component.gitMajor=1 -X $component.gitMinor=$(cut -d. -f2 <<<"$kubernetes_version") \
  -X $component.gitTreeState=clean -X $client.gitVersion=v$kubernetes_version" \
  "${commands[@]/#/k8s.io/kubernetes/cmd/}"
log "Kubernetes is built; helm, kwok and CoreDNS next"
export GOBIN=$out
"$go" install -trimpath -ldflags '-s -w' "helm.sh/helm/v4/cmd/helm@$helm_version"
"$go" install -trimpath -ldflags '-s -w' "sigs.k8s.io/kwok/cmd/kwok@$kwok_version"
"$go" install -trimpath -ldflags '-s -w' "github.com/coredns/coredns@$coredns_version"
# kwok simulates nodes and pods only by Stage files, which lie in its module, not in its binary.
kwok_module=$("$go" mod download -json "sigs.k8s.io/kwok@$kwok_version" | sed -nE 's/^\s*"Dir": "(.*)",?$/\1/p')
mkdir -p "$out/kwok-stages"
for stage in node/fast node/heartbeat-with-lease pod/fast; do
  find "$kwok_module/kustomize/stage/$stage" -name '*.yaml' ! -name 'kustomization.yaml' | sort |
    while read -r file; do printf -- '---\n'; cat "$file"; printf '\n'; done
done > "$out/kwok-stages/stages.yaml"
touch "$out/.complete"
log "built: $(du -sh "$out" | cut -f1) in $out"
echo "$out"
