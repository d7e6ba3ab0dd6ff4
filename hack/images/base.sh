#!/usr/bin/env bash
# base.sh: makes the base image of both images on a machine that reaches no image registry; prints its reference.
# base.sh --reference: only prints it.
#
# Debian's smallest system with Python, bootstrapped from the mirror that this machine's own apt uses, with its security
# updates. Kept as an archive in $TRAININGRUN_CACHE/base under a key of this file's content, and imported into buildah's
# storage. Whoever reaches a registry needs none of this: BASE=docker-image hack/images/build.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=storage.sh
. "$here/storage.sh"

suite=bookworm
updates=2026-11-24      # today's date here brings the security updates until today: it is part of the key
packages=python3,ca-certificates,tzdata
arch=$(dpkg --print-architecture)
key=$(cat "${BASH_SOURCE[0]}" - <<< "$arch" | sha256sum | cut -c1-16)
image=localhost/trainingrun/base:$key
archive=$TRAININGRUN_CACHE/base/$key.tar
if [ "${1:-}" = --reference ]; then echo "$image"; exit 0; fi

# This machine's Debian sources of that suite, one "site release component" a line.
sources() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
    awk -v suite="$suite" '$2 ~ "^" suite "(-updates|-security)?$" && $3 == "main" { print $1, $2, $3 }' | sort -u
}

bootstrap() {
  local root=$1 mirror
  mirror=$(sources | awk -v suite="$suite" '$2 == suite { print $1; exit }')
  # Without a mirror debootstrap takes its own default.
  debootstrap --variant=minbase --include="$packages" "$suite" "$root" ${mirror:+"$mirror"} > "$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2; die "debootstrap failed (its last lines stand above): check that 'apt-get update' works here, then run again"; }
  # As Debian's own slim images do it, also for what is installed on top later.
  cat > "$root/etc/dpkg/dpkg.cfg.d/slim" <<'SLIM'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/lintian/*
SLIM
  printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' > "$root/etc/apt/apt.conf.d/slim"
  # A mirror that is a snapshot is past its date: this machine's apt knows whether that matters.
  apt-config dump | grep -E '^Acquire::Check-(Valid-Until|Date) ' > "$root/etc/apt/apt.conf.d/mirror" || true
  if [ -n "$mirror" ]; then
    sources | sed 's/^/deb /' > "$root/etc/apt/sources.list"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # Of a copy: what runs inside must never reach this machine's own certificates.
    cp /etc/ssl/certs/ca-certificates.crt "$root/tmp/ca.crt"
    {
      chroot "$root" apt-get update --quiet --quiet --option Acquire::https::CaInfo=/tmp/ca.crt &&
        DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get dist-upgrade --quiet --quiet --yes --option Acquire::https::CaInfo=/tmp/ca.crt
    } >> "$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; die "the security updates of the base image could not be installed: check that 'apt-get update' works here, then run again"; }
  fi
  chroot "$root" apt-get clean
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/{apt,debconf,ldconfig}/* "$root"/var/log/* "$root"/tmp/* "$root/etc/hostname" \
    "$root"/usr/share/{man,info,locale,lintian}/* "$root"/var/cache/debconf/*-old
  find "$root/usr/share/doc" -type f ! -name copyright -delete
  find "$root/usr/share/doc" -type l ! -name copyright -delete
  find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
  : > "$root/etc/resolv.conf"
}

if [ ! -e "$archive" ]; then
  [ "$(id -u)" = 0 ] || die "only root can bootstrap the base image: run as root, or give BASE=<an image your registry has>"
  log "bootstrapping the base image: Debian $suite, updates of $updates, with ${packages//,/, } (about 40 s)"
  mkdir -p "$TRAININGRUN_CACHE/base"
  exec 8< "$TRAININGRUN_CACHE/base"
  flock 8
  # What a killed bootstrap left, which may still have these two mounted.
  for killed in "$TRAININGRUN_CACHE"/base/.work.*; do
    umount --lazy "$killed"/root/{proc,sys} 2> /dev/null || true
    rm -rf --one-file-system "$killed"
  done
  work=$(mktemp -d "$TRAININGRUN_CACHE/base/.work.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  mkdir "$work/root"
  bootstrap "$work/root"
  tar --create --file "$work/root.tar" --directory "$work/root" --numeric-owner --sort=name --one-file-system \
    --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' .
  find "$TRAININGRUN_CACHE/base" -maxdepth 1 -name '*.tar' -delete      # what an older key left
  mv "$work/root.tar" "$archive"
fi

if ! exists "$image"; then
  log "importing the base image"
  container=$(b from scratch)
  b add --quiet "$container" "$archive" / > /dev/null
  b config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 --cmd /bin/bash "$container"
  b commit --quiet --rm "$container" "$image" > /dev/null
fi
echo "$image"
