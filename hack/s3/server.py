"""A real S3 server for tests: SeaweedFS on the loopback interface, on ports of its own, in a temporary folder."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hack.ports import free_ports

START_TIMEOUT_S = 60
ACCESS_KEY, SECRET_KEY = "TESTADMIN000000", "test-admin-secret"
READER_KEY, READER_SECRET = "TESTREADER00000", "test-reader-secret"
CONFIG = {
    "identities": [
        {
            "name": "admin",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ],
    # Without this block and WEED_S3_SSE_KEY a request for encryption is answered with 500.
    "kms": {
        "default_provider": "local",
        "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
    },
}


@dataclass(frozen=True)
class S3Server:
    """Where the server is. `environment` is what a worker needs to use it; its other AWS variables are empty."""

    endpoint: str

    @property
    def environment(self) -> Mapping[str, str]:
        return worker_environment(self.endpoint)

    def client(self) -> Any:
        """A plain boto3 client, which shares nothing with the code under test."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def new_bucket(self) -> str:
        name = f"test-{secrets.token_hex(6)}"  # not `random`, which a training in this process seeds
        self.client().create_bucket(Bucket=name)
        return name


def worker_environment(endpoint: str, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> dict[str, str]:
    """The variables of docs/architecture.md that concern S3; those left empty count as absent."""
    return {
        "AWS_S3_ENDPOINT": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_SESSION_TOKEN": "",
        "AWS_REGION": "",
        "AWS_S3_SSE_TYPE": "",
        "AWS_S3_SSE_KMS_KEY_ID": "",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def running_s3_server() -> Iterator[S3Server]:
    """Starts SeaweedFS, ends it by its process id. Skips where `weed` is not installed, fails there on CI."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("weed is not installed; run `make venv`")
        pytest.skip("NO S3 SERVER: weed is not installed; run `make venv`")
    with ExitStack() as stack:
        # Not pytest's folder: the sockets' paths must stay short.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weed-", ignore_cleanup_errors=True)))
        config = folder / "s3.json"
        config.write_text(json.dumps(CONFIG))
        (folder / "data").mkdir()
        names = ["master.port", "volume.port", "filer.port", "s3.port"]
        names += [f"{name}.grpc" for name in names]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        command = [program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder / 'data'}", "-filer", "-s3"]
        command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=2000", "-s3.port.iceberg=0"]
        command += ["-s3.port.lance=0", f"-s3.config={config}", *(f"-{name}={port}" for name, port in ports.items())]
        log = stack.enter_context((folder / "weed.log").open("wb"))
        environment = {
            **os.environ,
            "WEED_S3_SSE_KEY": "0123456789abcdef" * 4,
            "TMPDIR": str(folder),
            "HOME": str(folder),
        }
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        stack.callback(_end, process)
        server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
        _wait_until_it_stores(server, process, folder / "weed.log")
        yield server


def _wait_until_it_stores(server: S3Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    client = server.client()
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if not client.list_buckets()["Buckets"]:
                client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                pytest.fail(f"the S3 server does not start: {error}\n{tail}")
            time.sleep(0.1)
        else:
            return


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(1)  # it takes its time, and nothing of it is kept
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
