"""The annotations command as people run it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def run_annotations(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, output and error output of `python3 -m training.annotations`."""
    result = subprocess.run(
        [sys.executable, "-m", "training.annotations", *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **(environment or {})},
    )
    return result.returncode, result.stdout, result.stderr
