"""MLflow's own server, as a process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

STARTS_WITHIN_S = 180  # its imports are 6 s of a core, which a busy machine may not have


@contextmanager
def running_mlflow(root: Path) -> Iterator[str]:
    """A server that keeps its runs in the folder `root`; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = {
        "MLFLOW_TRACKING_URI": root.as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "flask", "--app", "mlflow.server:app", "run", "--port", str(port)]
    with (
        root.with_suffix(".log").open("wb") as log,
        subprocess.Popen(
            command, env=os.environ | store | {"MLFLOW_DISABLE_TELEMETRY": "true"}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            until = time.monotonic() + STARTS_WITHIN_S
            while not _answers(address):
                alive = process.poll() is None and time.monotonic() < until
                assert alive, root.with_suffix(".log").read_text()[-3000:]
                time.sleep(0.2)
            yield address
        finally:
            process.kill()


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5):  # noqa: S310
            return True
    except (URLError, OSError):
        return False
