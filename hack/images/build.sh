#!/usr/bin/env bash
# Builds the worker's and the operator's image and pushes them to the registry that the cluster pulls from: `make images`.
#
# An image's tag is a key of the content that goes in, so an unchanged tree builds and pushes nothing. Prints the
# references and keeps them in $TRAININGRUN_STATE/images.env.
#
#   REGISTRY=10.89.0.1:5000   where to push: by default the registry that hack/cluster/up.sh starts; must be given with CLUSTER=current
#   MMCV_OPS=cpu              mmcv's compiled operators; cuda takes an hour the first time, and TORCH_CUDA_ARCH_LIST
#   SLIM=1                    also the preprocess Job's image without torch, as PREPROCESS_IMAGE
#   BASE=debian:12            the image to build on, for those who reach a registry; by default what base.sh bootstraps
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=storage.sh
. "$here/storage.sh"
cd "$here/../.."

[ "${CLUSTER:-local}" = local ] || [ -n "${REGISTRY:-}" ] || die "CLUSTER=current needs REGISTRY: export the name of a registry that the cluster pulls from"
REGISTRY=${REGISTRY:-10.89.0.1:5000}
MMCV_OPS=${MMCV_OPS:-cpu}
base=${BASE:-$(hack/images/base.sh --reference)}
worker_dependencies=(worker/train.Docker requirements/worker.txt requirements/mmcv.txt hack/setup/mmcv_wheel.sh hack/images/mmcv.sh hack/images/nvcc.txt)
preprocess_dependencies=(worker/train.Docker requirements/preprocess.txt)
operator_dependencies=(operator/operator.Docker requirements/operator.txt)
names=(worker operator)
if [ -n "${SLIM:-}" ]; then names+=(preprocess); fi

# key PARAMETERS PATH...: of the files' names and contents.
key() {
  local parameters=$1; shift
  { echo "$parameters"; find "$@" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum; } | sha256sum | cut -c1-16
}

# Sets scheme to that of the registry, or stops.
find_registry() {
  local try
  for try in 1 2 3 4 5; do
    for scheme in http https; do
      case $(curl --silent --output /dev/null --max-time 10 --write-out '%{http_code}' "$scheme://$REGISTRY/v2/" || true) in
        200|401) return ;;
      esac
    done
    sleep "$((try - 1))"      # one that is just starting
  done
  die "no image registry answers at $REGISTRY: export the REGISTRY that you mean, or start the local cluster's with 'make cluster-up'"
}

# pushed NAME:TAG: whether the registry has it, with every layer.
pushed() {
  local accept='application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json' manifest digests
  manifest=$(curl --silent --fail --max-time 10 --header "Accept: $accept" "$scheme://$REGISTRY/v2/${1%:*}/manifests/${1##*:}") || return 1
  # By name: the annotations hold the base image's digest, which no registry needs to have.
  mapfile -t digests < <(grep -oE '"digest": *"sha256:[0-9a-f]{64}"' <<< "$manifest" | grep -oE 'sha256:[0-9a-f]{64}' | sort -u)
  [ ${#digests[@]} -gt 0 ] || return 1
  curl --silent --fail --fail-early --head --max-time 10 "${digests[@]/#/$scheme://$REGISTRY/v2/${1%:*}/blobs/}" > /dev/null
}

# What RUN steps see as /mnt: the uv that requirements/dev.txt pins, where hack/setup/venv.sh keeps it (buildah 1.28 can't mount
# a stage that it took from its cache), and this machine's certificate authorities, which may sign the package traffic.
prepare_tools() {
  mkdir -p "$storage/tools"
  ln -f "$(hack/setup/uv.sh)" "$storage/tools/uv"
  if [ -e /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt "$storage/tools/ca.crt"; fi
}

# build NAME:TAG DOCKERFILE ARGUMENT...
build() {
  local image=localhost/$1 file=$2 log=$storage/build.log; shift 2
  # At places of their own, which every Debian has: where a volume and a mount of the Dockerfile meet, buildah 1.28 takes
  # now the one and now the other.
  local volumes=(--volume "$storage/tools:/mnt:ro" --volume "$uv_cache:/media" --volume "$TRAININGRUN_CACHE/wheels:/srv")
  prepare_tools
  if [ -e "$storage/tools/ca.crt" ]; then
    set -- "$@" --build-arg SSL_CERT_FILE=/mnt/ca.crt --build-arg PIP_CERT=/mnt/ca.crt
  fi
  set -- "$@" --build-arg UV=/mnt/uv --build-arg UV_CACHE_DIR=/media
  if [ "$name" = worker ]; then set -- "$@" --build-arg WHEELS=/srv; fi
  b build --layers --isolation chroot --network host --pull=false "${volumes[@]}" --build-arg "BASE=$base" \
    --build-arg "VERSION=$version" --build-arg "REVISION=${image##*:}" "$@" --file "$file" --tag "$image" . > "$log" 2>&1 ||
    { tail -n 20 "$log" >&2; die "the build of $file failed (its last lines stand above, all of them in $log)"; }
}

# Removes what a killed build left: its containers with their layers, and layers on their way.
clean_up_after_killed() {
  b rm --all > /dev/null
  find "$storage/tmp" -mindepth 1 -maxdepth 1 ! -name buildah-cache -exec rm -rf --one-file-system {} +
}

# Removes what older keys left: images and their layers.
clean() {
  local image
  b images --format '{{.Name}}:{{.Tag}}' | grep '^localhost/trainingrun/' | while read -r image; do
    case $image in "localhost/$worker"|"localhost/$operator"|"localhost/$preprocess"|"$base") ;; *) b rmi "$image" > /dev/null || true ;; esac
  done
}

worker=trainingrun/worker:$(key "$base $MMCV_OPS ${TORCH_CUDA_ARCH_LIST:-}" "${worker_dependencies[@]}" worker/training configs)
preprocess=trainingrun/preprocess:$(key "$base" "${preprocess_dependencies[@]}" worker/training configs)
operator=trainingrun/operator:$(key "$base" "${operator_dependencies[@]}" operator/trainingrun_operator)
dependencies=$(key "$base $MMCV_OPS ${TORCH_CUDA_ARCH_LIST:-}" "${worker_dependencies[@]}" "${preprocess_dependencies[@]}" "${operator_dependencies[@]}")
version=$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
uv_cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uv}

find_registry
exec 9> "$storage/lock"
flock 9      # a second `make images` waits for the first

changed=
for name in "${names[@]}"; do
  image=${!name}
  if pushed "$image"; then continue; fi
  changed=yes
  if ! exists "localhost/$image"; then
    [ "$(id -u)" = 0 ] || die "only root can build images here: run as root"
    mkdir -p "$uv_cache" "$TRAININGRUN_CACHE/wheels"
    clean_up_after_killed
    [ -n "${BASE:-}" ] || hack/images/base.sh > /dev/null
    if [ "$(cat "$storage/dependencies" 2> /dev/null)" != "$dependencies" ]; then
      b rmi --prune > /dev/null      # stages of older dependencies; here, because the stages of newer ones look the same
      free=$(df --output=avail --block-size=1G "$storage" | tail -n 1)
      [ "$free" -ge 15 ] || die "only $free GB are free in $storage, and the images need 15: free some, for instance by deleting $TRAININGRUN_CACHE/buildah"
      echo "$dependencies" > "$storage/dependencies"
      log "building $image with new dependencies: 2 to 3 minutes once they are downloaded (tail -f $storage/build.log)"
    else
      log "building $image"
    fi
    case $name in
      worker)
        # JOBS has this default, but buildah 1.28 builds only the stages that it is told of.
        build "$image" worker/train.Docker --build-arg JOBS=all --build-arg "MMCV_OPS=$MMCV_OPS" \
          ${TORCH_CUDA_ARCH_LIST:+--build-arg "TORCH_CUDA_ARCH_LIST=$TORCH_CUDA_ARCH_LIST"} ;;
      preprocess) build "$image" worker/train.Docker --build-arg JOBS=preprocess ;;
      operator) build "$image" operator/operator.Docker ;;
    esac
  fi
  log "pushing $image to $REGISTRY"
  b push --quiet --tls-verify="$([ $scheme = https ] && echo true || echo false)" --format oci --compression-format zstd --compression-level 1 \
    "localhost/$image" "docker://$REGISTRY/$image" > "$storage/push.log" 2>&1 ||
    { tail -n 5 "$storage/push.log" >&2; die "the push of $image to $REGISTRY failed (its last lines stand above): run again, and only what is missing is sent"; }
done
[ -z "$changed" ] || clean

mkdir -p "$TRAININGRUN_STATE"
for name in "${names[@]}"; do echo "${name^^}_IMAGE=$REGISTRY/${!name}"; done | tee "$TRAININGRUN_STATE/.images.env"
mv "$TRAININGRUN_STATE/.images.env" "$TRAININGRUN_STATE/images.env"
