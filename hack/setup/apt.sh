#!/usr/bin/env bash
# Installs the Debian packages that are missing here. Names only: apt's own configuration says where they come from.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=env.sh
. "$here/env.sh"
packages=(python3 python3-venv python3-pip python3-dev gcc g++      # .venv and mmcv's operators
  poppler-utils poppler-data fonts-urw-base35 fonts-wqy-microhei fontconfig   # rendering, as the image has it
  qpdf                                                              # broken PDFs for tests
  chromium                                                          # looks at the review page
  buildah debootstrap ca-certificates curl)                         # the images
cluster_packages=(etcd-server etcd-client containerd runc containernetworking-plugins docker-registry iptables nftables conntrack
  iproute2 util-linux procps kmod openssl busybox-static)
[ "${CLUSTER:-local}" = current ] || packages+=("${cluster_packages[@]}")

missing=()
for package in "${packages[@]}"; do
  # Docker's containerd.io brings these two programs, and Debian's packages of them would take Docker away.
  case $package in containerd | runc) ! command -v "$package" > /dev/null || continue ;; esac
  [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
[ "$(id -u)" = 0 ] || die "these Debian packages are missing, and only root can install them: ${missing[*]}"
log "installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# A machine that has just started often holds the lock for its own upgrades.
apt=(apt-get --quiet --quiet --option DPkg::Lock::Timeout=600)
"${apt[@]}" update
"${apt[@]}" install --yes --no-remove --no-install-recommends "${missing[@]}" > /dev/null ||
  die "apt could not install ${missing[*]} (its own words stand above; nothing that is installed is ever removed for them)"

# The cluster runs its own, in its own namespaces: Debian's services of these would only take memory.
[ -d /run/systemd/system ] || exit 0
for package in "${missing[@]}"; do
  case $package in
    etcd-server) systemctl disable --quiet --now etcd.service ;;
    containerd | docker-registry) systemctl disable --quiet --now "$package.service" ;;
  esac
done
