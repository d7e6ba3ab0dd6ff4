# shellcheck shell=bash
# Where everything that `make` builds or starts lives on this machine, sourced by the scripts in hack/.
# Both folders are outside the checkout, so that a fresh clone finds what an older one built.

# Rebuildable and content-keyed: binaries, wheels, base images. Safe to delete while nothing runs.
export TRAININGRUN_CACHE=${TRAININGRUN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/trainingrun}
# The state of the local cluster, its registry and its S3 server.
export TRAININGRUN_STATE=${TRAININGRUN_STATE:-/var/lib/trainingrun}

# A proxy reaches none of the local cluster's addresses (cluster/lib.sh). The node's stands alone, since boto3 reads no networks.
local_addresses=10.89.0.1,10.96.0.0/16,10.244.0.0/24
[[ ${NO_PROXY:=${no_proxy:-}} == *$local_addresses* ]] || NO_PROXY=${NO_PROXY:+$NO_PROXY,}$local_addresses
export NO_PROXY no_proxy=$NO_PROXY

log() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
