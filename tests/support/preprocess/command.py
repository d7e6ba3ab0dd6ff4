"""The preprocess command as people run it, and what it leaves in a storage."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.storage.base import Storage


def run_preprocess(
    *options: str | Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output and termination message of `python3 -m training.preprocess`."""
    log = Path(folder or os.environ.get("TMPDIR", "/tmp")) / f"termination-{time.monotonic_ns()}.json"
    result = subprocess.run(
        [sys.executable, "-m", "training.preprocess", *(str(option) for option in options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **(environment or {}), "TRAINING_TERMINATION_LOG": str(log)},
        cwd=folder,
    )
    message = json.loads(log.read_text()) if log.exists() else {}
    log.unlink(missing_ok=True)
    return result.returncode, result.stdout + result.stderr, message


def tree(storage: Storage, prefix: str = "ttv/") -> dict[str, bytes]:
    return {found.key: storage.read_bytes(found.key) for found in storage.list_objects(prefix)}


def upload(folder: Path, storage: Storage) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            storage.upload_file(path, path.relative_to(folder).as_posix())
