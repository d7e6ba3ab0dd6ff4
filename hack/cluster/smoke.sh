#!/usr/bin/env bash
# smoke.sh: checks the real thing in about half a minute: Jobs, failure policies, Services, DNS, GPUs, the registry, S3, tokens,
# Pod Security. One line per check; exit 1 when one fails; takes away all that it made in the cluster.
# Some checks need the local cluster (its registry, S3 and GPUs), so CLUSTER=current is refused.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
[ "${CLUSTER:-local}" = local ] || die "smoke.sh checks the local cluster only; run it without CLUSTER=current"
cluster_pid > /dev/null || die "the local cluster is not running; start it with hack/cluster/up.sh"
KUBECONFIG=$KUBECONFIG_FILE
export KUBECONFIG
kubectl=$("$here/build-binaries.sh")/kubectl
python=$here/../../.venv/bin/python
namespace=smoke-$(openssl rand -hex 3)
image=$REGISTRY/smoke/$namespace:1
work=$(mktemp -d)
passed=0
failed=0

# A storage of this run's own, which goes with it.
b() { buildah --root "$work/buildah" --runroot "$work/buildah-run" --storage-driver vfs "$@"; }
k() { "$kubectl" --namespace "$namespace" "$@"; }

# check WHAT COMMAND...: one line, with the command's last words when it fails
check() {
  local what=$1
  shift
  if "$@" > "$work/out" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $what"
  else
    failed=$((failed + 1))
    echo "FAIL  $what: $(tail -n 2 "$work/out" | tr '\n' ' ')"
  fi
}

# shellcheck disable=SC2329  # run by the trap
clean_up() {
  "$kubectl" delete namespace "$namespace" --wait=true --timeout=90s > /dev/null 2>&1 || log "the namespace $namespace is still being deleted"
  in_cluster ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io images rm "$image" > /dev/null 2>&1 || true
  delete_from_registry || true
  rm -rf "$work"
}
trap clean_up EXIT

# Only the manifest: nothing refers to its layer then, and no other image shares this repository.
delete_from_registry() {
  local digest
  digest=$(curl --silent --head --header 'Accept: application/vnd.oci.image.manifest.v1+json' \
    "http://$REGISTRY/v2/smoke/$namespace/manifests/1" | tr -d '\r' | awk 'tolower($1) == "docker-content-digest:" { print $2 }')
  [ -z "$digest" ] || curl --silent --request DELETE "http://$REGISTRY/v2/smoke/$namespace/manifests/$digest"
  rm -rf --one-file-system "$REGISTRY_DIR/docker/registry/v2/repositories/smoke/$namespace"
}

push_image() {
  local container
  mkdir -p "$work/root/bin"
  cp /bin/busybox "$work/root/bin/busybox"
  local applet
  for applet in sh cat echo env ls nslookup sleep wget httpd mkdir hostname test grep head; do ln -s busybox "$work/root/bin/$applet"; done
  container=$(b from scratch)
  b add --quiet "$container" "$work/root" /
  b config --env PATH=/bin --user 65534:65534 "$container"
  b commit --quiet --rm "$container" "$image"
  b push --quiet --tls-verify=false "$image"
}

# job NAME COMMAND [more of the container's fields, as YAML in one line] [more of the pod's fields]
job() {
  cat << YAML
---
apiVersion: batch/v1
kind: Job
metadata: {name: $1}
spec:
  backoffLimit: 3
  podFailurePolicy:
    rules:
    - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
    - {action: FailJob, onExitCodes: {operator: In, values: [42]}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      ${4:-}
      containers:
      - name: main
        image: $image
        command: [sh, -c, "$2"]
        ${3:-}
YAML
}

# shellcheck disable=SC2016  # the variables are the containers' own
everything() {
  job completes 'echo hello'
  job fails 'exit 42'
  job client 'for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://web.$NAMESPACE.svc.cluster.local/ && exit 0; sleep 1; done; exit 1' \
    "env: [{name: NAMESPACE, value: $namespace}]"
  job s3 "wget -qO- http://10.89.0.1:8333/ 2>&1 | grep -Eq '403|xml' && echo reached"
  job gpu-1 'echo devices=$NVIDIA_VISIBLE_DEVICES; sleep 600' 'resources: {limits: {nvidia.com/gpu: 1}}'
  # More than there are: this one can never start.
  job gpu-many 'true' "resources: {limits: {nvidia.com/gpu: $(($(cat "$CLUSTER_DIR/fake-gpus") + 1))}}"
  job token 'cat /token/token' 'volumeMounts: [{name: token, mountPath: /token}]' \
    'volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token, audience: smoke, expirationSeconds: 600}}]}}]'
  cat << YAML
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: $image
        command: [sh, -c, "mkdir /tmp/w; echo served > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
YAML
}

pulled_from_registry() { k get events --field-selector reason=Pulled --output 'jsonpath={.items[*].message}' | grep -F "Successfully pulled image \"$image\""; }
failed_by_policy() {
  k wait --for=condition=Failed job/fails --timeout=60s
  k get job fails --output 'jsonpath={.status.conditions[?(@.type=="Failed")].reason}' | grep -x PodFailurePolicy
}
logs_of() { k wait --for=condition=Complete "job/$1" --timeout=60s && k logs "job/$1" | grep -E "$2"; }
gpu_given() {
  k wait --for=jsonpath='{.status.phase}'=Running pod --selector app=gpu-1 --timeout=60s
  k logs job/gpu-1 | grep -E 'devices=GPU-fake-[0-9]+$'
}
gpu_refused() {
  k wait --for=jsonpath='{.status.conditions[0].reason}'=Unschedulable pod --selector app=gpu-many --timeout=30s
  k get pods --selector app=gpu-many --output 'jsonpath={.items[0].status.phase} {.items[0].status.conditions[0].message}' |
    grep -E '^Pending .*Insufficient nvidia.com/gpu'
}
# The token is for one audience, from this cluster's issuer, and its key is published.
token_is_ours() {
  k wait --for=condition=Complete job/token --timeout=60s
  k logs job/token > "$work/token"
  "$kubectl" get --raw /openid/v1/jwks > "$work/jwks"
  "$python" - "$work/token" "$work/jwks" << 'PY'
import json, sys, jwt
token, keys = open(sys.argv[1]).read().strip(), json.load(open(sys.argv[2]))["keys"]
key = next(k for k in keys if k["kid"] == jwt.get_unverified_header(token)["kid"])
claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=[key["alg"]], audience="smoke")
assert claims["kubernetes.io"]["pod"]["name"].startswith("token-"), claims
PY
}
privileged_refused() {
  local answer
  k label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted --overwrite
  answer=$(k run privileged --image "$image" --privileged --restart Never 2>&1) && { echo "a privileged pod was taken"; return 1; }
  k label namespace "$namespace" pod-security.kubernetes.io/enforce-
  grep -F 'violates PodSecurity "restricted' <<< "$answer"
}
cel_refuses() {
  ! k create --filename - 2> "$work/cel" << YAML || return 1
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: smoke-not-made}
spec: {matchConstraints: {resourceRules: []}, validations: [{expression: "object.spec.("}]}
YAML
  grep -F 'compilation failed' "$work/cel"
}
host_reaches_pod() {
  local address service
  address=$(k get pods --selector app=web --output 'jsonpath={.items[0].status.podIP}')
  service=$(k get service web --output 'jsonpath={.spec.clusterIP}')
  curl --silent --fail --max-time 5 --noproxy '*' "http://$address:8080/" | grep -x served
  curl --silent --fail --max-time 5 --noproxy '*' "http://$service/" | grep -x served
}
s3_from_host() {
  (eval "$("$here/s3.sh" env)" && "$python" - << 'PY')
import boto3, botocore.exceptions, uuid
s3 = boto3.client("s3")
bucket = f"smoke-{uuid.uuid4().hex[:8]}"
s3.create_bucket(Bucket=bucket)
try:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", IfNoneMatch="*", ServerSideEncryption="AES256")
    assert s3.get_object(Bucket=bucket, Key="a")["ServerSideEncryption"] == "AES256"
    try:
        s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*")
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "PreconditionFailed", error
    else:
        raise SystemExit("a second conditional write was taken")
finally:
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
PY
}
exec_works() { k exec deployment/web -- cat /tmp/w/index.html | grep -x served; }

check "the host's kubectl reaches the API server" "$kubectl" get node "$NODE_NAME"
check "an image is built and pushed to $REGISTRY" push_image
check "a namespace is made" "$kubectl" create namespace "$namespace"
until k get serviceaccount default > /dev/null 2>&1; do sleep 0.1; done
everything > "$work/objects.yaml"
check "objects are created" k create --filename "$work/objects.yaml"
check "a privileged pod is refused where Pod Security enforces restricted" privileged_refused
check "CEL is on: a policy with a broken expression is refused" cel_refuses
check "a Job completes" logs_of completes hello
check "the kubelet pulled the image from the registry" pulled_from_registry
check "podFailurePolicy ends a Job at once" failed_by_policy
check "a Deployment becomes available" k rollout status deployment/web --timeout=60s
check "a pod reaches a Service by its DNS name" logs_of client served
check "a pod reaches S3" logs_of s3 reached
check "a GPU pod gets a device" gpu_given
check "a GPU pod too many waits: Insufficient nvidia.com/gpu" gpu_refused
check "a projected token verifies with the published keys" token_is_ours
check "kubectl exec works" exec_works
check "the host reaches a pod's and a Service's address" host_reaches_pod
check "S3 takes encrypted and conditional writes" s3_from_host
echo "$passed passed, $failed failed"
[ $failed = 0 ]
