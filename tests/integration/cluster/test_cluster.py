"""The local cluster itself, while it runs: what the other tests and the demo rely on."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import Config
from botocore.exceptions import ClientError

from tests.support.cluster.kube import Kube
from tests.support.paths import HACK

pytestmark = pytest.mark.integration
STATE = Path(os.environ.get("TRAININGRUN_STATE", "/var/lib/trainingrun"))
ENDPOINT = "http://10.89.0.1:8333"
LOCAL = {**os.environ, "CLUSTER": "local"}


def hack(name: str, *arguments: str) -> str:
    return subprocess.check_output([str(HACK / name), *arguments], env=LOCAL, text=True)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> None:
    try:
        hack("cluster/s3.sh", "env")
    except subprocess.CalledProcessError:
        if os.environ.get("CI"):
            raise
        pytest.skip("the local cluster is not up: run 'make cluster-up'")


def client(*arguments: str, **changes: Any) -> Any:
    found = dict(re.findall(r"^export (\w+)=(.*)$", hack("cluster/s3.sh", "env", *arguments), re.MULTILINE))
    options = {
        "endpoint_url": found["AWS_ENDPOINT_URL_S3"],
        "region_name": found["AWS_DEFAULT_REGION"],
        "aws_access_key_id": found["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": found["AWS_SECRET_ACCESS_KEY"],
    }
    return boto3.client("s3", **(options | changes))


@pytest.fixture(scope="module")
def s3() -> Any:
    return client()


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    name = f"cluster-test-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def wait_until(what: str, probe: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.3)


def allocatable_gpus() -> str:
    path = r"jsonpath={.status.allocatable.nvidia\.com/gpu}"
    return hack("cluster/kubectl.sh", "get", "node", "node1", "--output", path)


def test_up_is_quick_when_it_is_up() -> None:
    start = time.monotonic()
    assert hack("cluster/up.sh").startswith("already up (pid ")
    assert time.monotonic() - start < 2


def test_up_starts_anew_what_was_started_from_other_files(kube: Kube) -> None:
    started_from = STATE / "cluster" / "run" / "started-from"
    version, *programs = started_from.read_text().splitlines()
    started_from.write_text("\n".join([version, *programs[:-1], "/gone/with/another/clone"]))
    assert hack("cluster/up.sh").startswith("up after ")
    kube.close()  # the other tests' connections ended with the old API server
    assert started_from.read_text().splitlines()[0] == version
    assert hack("cluster/up.sh").startswith("already up (pid ")


def test_only_its_owner_can_read_the_kubeconfig() -> None:
    assert (STATE / "kubeconfig").stat().st_mode & 0o777 == 0o600


def test_every_component_runs() -> None:
    lines = dict(line.split(maxsplit=1) for line in hack("cluster/component.sh", "list").splitlines())
    assert {name for name, state in lines.items() if not state.startswith("runs")} <= {"kwok"}


def test_a_kubelet_that_was_killed_comes_back_with_its_gpus() -> None:
    gpus = allocatable_gpus()
    assert int(gpus) > 0
    log = STATE / "logs" / "gpu-plugin.log"
    registrations = log.read_text().count(" registered ")
    hack("cluster/component.sh", "kill", "kubelet")
    wait_until("the plugin registers again", lambda: log.read_text().count(" registered ") > registrations)
    wait_until("the GPUs are back", lambda: allocatable_gpus() == gpus)


def test_an_unhealthy_gpu_is_not_given_away() -> None:
    gpus = int(allocatable_gpus())
    file = STATE / "cluster" / "unhealthy-gpus"
    file.write_text("GPU-fake-0\n")
    try:
        wait_until("one GPU less", lambda: allocatable_gpus() == str(gpus - 1))
    finally:
        file.unlink()
    wait_until("all GPUs again", lambda: allocatable_gpus() == str(gpus))


def test_a_conditional_write_happens_once(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"first", IfNoneMatch="*")
    assert refused(s3.put_object, Bucket=bucket, Key="a", Body=b"second", IfNoneMatch="*") == "PreconditionFailed"
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"first"


def read_again(s3: Any, bucket: str, key: str) -> Any:
    """The object, once the restarted server has found its volumes: it answers other requests before."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "InternalError" or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def test_an_encrypted_object_says_so_and_survives_a_killed_server(s3: Any, bucket: str) -> None:
    body = os.urandom(9_000_000)
    s3.put_object(Bucket=bucket, Key="secret", Body=body, ServerSideEncryption="AES256")
    s3.put_object(Bucket=bucket, Key="plain", Body=body[:1000])
    hack("cluster/component.sh", "kill", "s3")
    assert hack("cluster/s3.sh", "start") == f"S3 answers at {ENDPOINT}\n"
    answer = read_again(s3, bucket, "secret")
    assert answer["ServerSideEncryption"] == "AES256"
    assert answer["Body"].read() == body
    assert read_again(s3, bucket, "plain")["Body"].read() == body[:1000]


def test_the_second_identity_may_only_read(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    reader = client("--read-only")
    assert reader.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
    assert [entry["Key"] for entry in reader.list_objects_v2(Bucket=bucket)["Contents"]] == ["a"]
    assert refused(reader.put_object, Bucket=bucket, Key="b", Body=b"1") == "AccessDenied"
    assert refused(reader.delete_object, Bucket=bucket, Key="a") == "AccessDenied"
    assert refused(reader.create_bucket, Bucket=f"{bucket}-2") == "AccessDenied"


def test_strangers_and_wrong_secrets_are_refused(bucket: str) -> None:
    wrong = client(aws_secret_access_key="wrong")
    assert refused(wrong.list_objects_v2, Bucket=bucket) == "SignatureDoesNotMatch"
    stranger = client(config=Config(signature_version=UNSIGNED))
    assert refused(stranger.list_objects_v2, Bucket=bucket) == "AccessDenied"


def test_a_bucket_is_neither_made_by_a_write_nor_deleted_with_objects_in_it(s3: Any, bucket: str) -> None:
    assert refused(s3.put_object, Bucket=f"{bucket}-absent", Key="a", Body=b"1") == "NoSuchBucket"
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert refused(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"


def test_the_smoke_check_passes() -> None:
    smoke = str(HACK / "cluster" / "smoke.sh")
    result = subprocess.run([smoke], env=LOCAL, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
