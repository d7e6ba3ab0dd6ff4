# shellcheck shell=bash
# buildah with a storage of its own, outside the checkout and apart from any that the machine has; sourced.
# shellcheck source-path=SCRIPTDIR source=../setup/env.sh
. "$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/setup/env.sh"
command -v buildah > /dev/null || die "buildah is not installed: run hack/setup/apt.sh"
storage=$TRAININGRUN_CACHE/buildah
mkdir -p "$storage/tmp"      # layers on their way lie there, since /tmp may be small
b() { TMPDIR=$storage/tmp buildah --root "$storage/root" --runroot "$storage/run" --storage-driver overlay "$@"; }
exists() { b inspect --type image "$1" > /dev/null 2>&1; }
