#!/usr/bin/env bash
# Installs the Debian packages that are missing here. Names only: apt's own configuration says where they come from.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
python_packages=(python3 python3-venv python3-pip python3-dev gcc g++)    # .venv and mmcv's operators
worker_packages=(poppler-utils qpdf)                                # rendering; broken PDFs for tests
cluster_packages=(etcd-server etcd-client containerd runc containernetworking-plugins iptables nftables conntrack
  iproute2 util-linux procps kmod ca-certificates curl openssl)
image_packages=(buildah docker-registry debootstrap busybox-static)
missing=()
for package in "${python_packages[@]}" "${worker_packages[@]}" "${cluster_packages[@]}" "${image_packages[@]}"; do
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || die "these Debian packages are missing, and only root can install them: ${missing[*]}"
log "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
apt-get install --quiet --quiet --yes --no-install-recommends "${missing[@]}" > /dev/null
