#!/usr/bin/env bash
# Builds the cluster's binaries from their Go modules and prints the folder that holds them.
# Cached by the content of this file and Go's version: a second call only prints the folder.
#
# `go install k8s.io/kubernetes/cmd/...@v` refuses, since that module's go.mod has replace directives: a go.mod of
# our own repeats them at each staging module's own version. Without the -X flags a server calls itself v0.0.0-master
# and clients refuse it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../setup/env.sh
. "$here/../setup/env.sh"

kubernetes_version=1.34.4
helm_version=v4.3.1
kwok_version=v0.8.0
coredns_version=v1.14.7
commands=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

go=$("$here/../setup/go.sh")
key=$({ cat "$here/build-binaries.sh"; "$go" version; } | sha256sum | cut -c1-16)
out=$TRAININGRUN_CACHE/bin/$key
mkdir -p "$out"
exec 9< "$TRAININGRUN_CACHE"
flock 9      # two callers would compile the same thing twice
if [ -e "$out/.complete" ]; then
  touch "$out"
  echo "$out"
  exit 0
fi

log "building Kubernetes $kubernetes_version, helm, kwok and CoreDNS from their Go modules (about 10 minutes on 2 cores, once)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# The build cache is 5 GB that nobody needs once the binaries exist; a build that was killed goes on from it.
export GOCACHE=$TRAININGRUN_CACHE/go-build CGO_ENABLED=0 GOFLAGS=-modcacherw

# download MODULE FIELD: fetches a module and prints that field of what Go says about it
download() {
  local answer
  answer=$("$go" mod download -json "$1") ||
    die "Go could not download $1 ($(sed -nE 's/^\s*"Error": "(.*)",?$/\1/p' <<< "$answer")): check that what 'go env GOPROXY' names answers, then run again"
  sed -nE "s/^\s*\"$2\": \"(.*)\",?\$/\1/p" <<< "$answer"
}

printf 'module trainingrun.test/cluster\n\ngo 1.24.0\n' > go.mod
kubernetes_mod=$(download "k8s.io/kubernetes@v$kubernetes_version" GoMod)
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
kwok_module=$(download "sigs.k8s.io/kwok@$kwok_version" Dir)
mkdir -p "$out/kwok-stages"
for stage in node/fast node/heartbeat-with-lease pod/fast; do
  find "$kwok_module/kustomize/stage/$stage" -name '*.yaml' ! -name 'kustomization.yaml' | sort |
    while read -r file; do printf -- '---\n'; cat "$file"; printf '\n'; done
done > "$out/kwok-stages/stages.yaml"
touch "$out/.complete"
rm -rf "$GOCACHE"
# Another clone may still run others: only those that nobody asked for in a week go.
find "$TRAININGRUN_CACHE/bin" -mindepth 1 -maxdepth 1 ! -newermt '-7 days' -exec rm -rf {} +
log "built: $(du -sh "$out" | cut -f1) in $out"
echo "$out"
