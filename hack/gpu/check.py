"""Runs the steps of the GPU check one after the other, each within its own time, and prints a Markdown table.

A step that fails does not stop the next one. Started by hack/gpu/check.sh.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hack.gpu.steps import STEPS, Bench, SkippedError, Step

BUDGET_S = 560.0  # a command on the borrowed machine is ended after ten minutes
DRY_SLOWER = 10  # how much longer a step may take on a CPU
RESULT, SKIPPED = "result: ", "skipped: "


@dataclass(frozen=True)
class Row:
    """What one step gave."""

    title: str
    seconds: float
    result: str
    failed: bool = False

    def __str__(self) -> str:
        return f"| {self.title} | {self.seconds:.0f} | {self.result.replace('|', '/')} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, with the small config")
    parser.add_argument("--output", type=Path, help="folder for the table and the steps' whole logs")
    parser.add_argument("--step", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step is not None:
        return _run_here(STEPS[options.step], Bench(options.root, dry=options.dry_run))
    until_s = time.monotonic() + (DRY_SLOWER if options.dry_run else 1) * BUDGET_S
    lines = ["| step | seconds | result |", "|---|---|---|"]
    failed = False
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as name:
        for number, step in enumerate(STEPS):
            row = _run(number, step, Path(name), dry=options.dry_run, until_s=until_s)
            failed |= row.failed
            lines.append(str(row))
            print(row, flush=True)
            if options.output:
                options.output.mkdir(parents=True, exist_ok=True)
                (options.output / "gpu-check.md").write_text("\n".join(lines) + "\n")
                (options.output / "gpu-check.log").write_bytes((Path(name) / "log").read_bytes())
    return int(failed)


def _run(number: int, step: Step, root: Path, *, dry: bool, until_s: float) -> Row:
    """Run a step in a process of its own, which is ended with all that it started when its time is up."""
    started_s = time.monotonic()
    limit_s = min(step.limit_s * (DRY_SLOWER if dry else 1), until_s - started_s)
    command = [sys.executable, "-m", "hack.gpu.check", "--step", str(number), "--root", str(root)]
    with (root / "log").open("ab") as log:
        log.write(f"\n=== {step.title}\n".encode())
        log.flush()
        process = subprocess.Popen(
            [*command, *(["--dry-run"] if dry else [])], stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=max(limit_s, 0.001))
        except subprocess.TimeoutExpired:
            return Row(step.title, limit_s, f"**failed**: not done in {limit_s:.0f} s", failed=True)
        finally:
            _end(process)
    said = output.decode(errors="replace").strip().splitlines()
    last = said[-1] if said else ""
    seconds = time.monotonic() - started_s
    for prefix in (RESULT, SKIPPED):
        if process.returncode == 0 and last.startswith(prefix):
            return Row(step.title, seconds, last.removeprefix(RESULT))
    words = (root / "log").read_text(errors="replace").strip().splitlines()[-1]
    return Row(step.title, seconds, f"**failed**: {words[:300]}", failed=True)


def _run_here(step: Step, bench: Bench) -> int:
    try:
        print(f"{RESULT}{step.run(bench)}")
    except SkippedError as reason:
        print(f"{SKIPPED}{reason}")
    return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
