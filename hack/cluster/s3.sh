#!/usr/bin/env bash
# s3.sh start | stop | env [--read-only] | prepare | binary
# The S3 server of the local cluster (SeaweedFS), reachable from the host and from pods under one address.
# start, stop: up.sh starts it already; stop makes it unreachable, for tests. env: export lines for a shell, of an identity that
# may do everything, or of one that may only read. prepare: makes its secrets, once. binary: prints where `weed` is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

admin_key='' admin_secret='' reader_key='' reader_secret=''
read_identities() {
  # shellcheck source=/dev/null
  . "$S3_DIR/identities"
}

# The secrets are made once and kept with the data: the SSE key is what makes encrypted objects readable after a restart.
prepare() {
  umask 077
  mkdir -p "$S3_DIR/data"
  [ -s "$S3_DIR/sse-key" ] || openssl rand -hex 32 > "$S3_DIR/sse-key"
  [ -s "$S3_DIR/identities" ] || cat > "$S3_DIR/identities" << SHELL
admin_key=ADMIN$(openssl rand -hex 8 | tr a-f A-F)
admin_secret=$(openssl rand -hex 20)
reader_key=READER$(openssl rand -hex 8 | tr a-f A-F)
reader_secret=$(openssl rand -hex 20)
SHELL
  read_identities
  # The "kms" block must be there: without it SeaweedFS answers a request for encryption with 500.
  cat > "$S3_DIR/config.json" << JSON
{"identities": [
  {"name": "admin", "credentials": [{"accessKey": "$admin_key", "secretKey": "$admin_secret"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "reader", "credentials": [{"accessKey": "$reader_key", "secretKey": "$reader_secret"}], "actions": ["Read", "List"]}],
 "kms": {"default_provider": "local", "providers": {"local": {"type": "local", "enableOnDemandCreate": true}}}}
JSON
}

binary() {
  local file
  # The Python package brings the program either as a script or inside itself.
  for file in "$here/../../.venv/bin/weed" "$here"/../../.venv/lib/python3*/site-packages/seaweedfs*/{,bin/}weed; do
    if [ -x "$file" ]; then readlink --canonicalize "$file"; return 0; fi
  done
  command -v weed || die "no SeaweedFS (weed) here; install it with hack/setup/venv.sh"
}

print_env() {
  cluster_pid > /dev/null || die "S3 runs inside the local cluster, which is not running; start both with hack/cluster/up.sh"
  read_identities
  local key=$admin_key secret=$admin_secret
  if [ "${1:-}" = --read-only ]; then key=$reader_key secret=$reader_secret; fi
  echo "export AWS_S3_ENDPOINT=$S3_ENDPOINT"          # what the worker reads
  echo "export AWS_ENDPOINT_URL_S3=$S3_ENDPOINT"      # what every other client reads
  echo "export AWS_ACCESS_KEY_ID=$key"
  echo "export AWS_SECRET_ACCESS_KEY=$secret"
  echo "export AWS_REGION=us-east-1"
  echo "export AWS_DEFAULT_REGION=us-east-1"          # boto3 reads this one
  echo "export NO_PROXY=$NO_PROXY"
  echo "export no_proxy=$NO_PROXY"
}

start() {
  cluster_pid > /dev/null || die "S3 runs inside the local cluster, which is not running; start both with hack/cluster/up.sh"
  "$here/component.sh" start s3
  for _ in $(seq 300); do
    if curl --silent --max-time 2 --noproxy '*' --output /dev/null "$S3_ENDPOINT"; then
      echo "S3 answers at $S3_ENDPOINT"
      return 0
    fi
    sleep 0.1
  done
  die "S3 did not answer in 30 s; see $LOG_DIR/s3.log"
}

case "${1:-}${2:+ $2}" in
  start) require_root; start ;;
  stop) require_root; "$here/component.sh" stop s3; echo "S3 is stopped until: hack/cluster/s3.sh start" ;;
  env | 'env --read-only') print_env "${2:-}" ;;
  prepare) prepare ;;
  binary) binary ;;
  *) die "usage: hack/cluster/s3.sh start | stop | env [--read-only]" ;;
esac
