"""Trainings as a run's pod starts them: `python3 -m training.train`, and what it left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from training.tracking.events import IterationRecord, parse

ROUGH_START = 5  # iterations in which a GPU's libraries choose their algorithms


@dataclass(frozen=True)
class Ended:
    """How a training ended: its exit code, the reason and sentence of its termination message, its last words."""

    code: int
    reason: str
    message: str
    last_words: str

    def expect(self, code: int, reason: str | None = None) -> None:
        """Raises RuntimeError unless it ended like that."""
        if self.code != code or reason not in (None, self.reason):
            said = self.message or self.last_words
            raise RuntimeError(f"exit code {self.code} instead of {code}, {self.reason or 'no reason'}: {said}")


@dataclass(frozen=True)
class Training:
    """A training of `config` in the folder `root` on `device` (cuda or cpu)."""

    root: Path
    dataset: Path
    config: str
    device: str
    options: Sequence[str] = ()

    @property
    def model(self) -> Path:
        return self.root / "model" / "model.pth"

    def run(self, *more: str) -> Ended:
        """Run it to its end."""
        with self._start(more) as process:
            return self._ended(process)

    def stop_after(self, iterations: int, *more: str) -> Ended:
        """Run it, and send SIGTERM once it has done so many iterations."""
        with self._start(more) as process:
            while process.poll() is None and len(self.iterations()) < iterations:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            return self._ended(process)

    def iterations(self) -> list[IterationRecord]:
        """What it recorded of its iterations until now, over all attempts here."""
        log = self.root / "work" / "logs" / "metrics.jsonl"
        content = log.read_bytes() if log.exists() else b""
        return [record for record in parse(content) if isinstance(record, IterationRecord)]

    def summary(self) -> str:
        """Speed, memory and loss, for people."""
        iterations = self.iterations()
        seconds = median(record.seconds for record in iterations[ROUGH_START:])
        first, last = (_mean_loss(part) for part in (iterations[:ROUGH_START], iterations[-ROUGH_START:]))
        words = [f"{seconds:.3f} s an iteration"]
        if self.memory_bytes() is not None:
            words.append(f"{(self.memory_bytes() or 0) / 2**30:.2f} GiB at most")
        return ", ".join([*words, f"loss {first:.2f} to {last:.2f} in {len(iterations)} iterations"])

    def memory_bytes(self) -> int | None:
        """The most GPU memory that it used at a time; None on a CPU."""
        found = [record.gpu_memory_bytes for record in self.iterations() if record.gpu_memory_bytes is not None]
        return max(found, default=None)

    def _start(self, more: Sequence[str]) -> subprocess.Popen[bytes]:
        self.root.mkdir(parents=True, exist_ok=True)
        command = [
            *(sys.executable, "-m", "training.train", str(self.dataset), str(self.root / "work")),
            *("--config", self.config, "--model_output", str(self.model), "--device", self.device),
            *(*self.options, *more),
        ]
        environment = os.environ | {"TRAINING_TERMINATION_LOG": str(self._termination)}
        with self._log.open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def _ended(self, process: subprocess.Popen[bytes]) -> Ended:
        code = process.wait()
        said = json.loads(self._termination.read_bytes()) if self._termination.exists() else {}
        lines = self._log.read_text(errors="replace").splitlines()
        for line in lines:
            print(line, file=sys.stderr)
        return Ended(code, said.get("reason", ""), said.get("message", ""), lines[-1] if lines else "")

    @property
    def _log(self) -> Path:
        return self.root / "log"

    @property
    def _termination(self) -> Path:
        return self.root / "termination"


def _mean_loss(iterations: Sequence[IterationRecord]) -> float:
    losses = [record.loss for record in iterations if record.loss is not None]
    return sum(losses) / len(losses)
