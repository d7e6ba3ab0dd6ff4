"""How the pods of each run end, and what is to become of the run: drawn from the seed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.operator.world import DATASET, MODEL

PREPROCESS, TRAIN = "preprocess", "train"
PERMANENT = {64: "ConfigError", 65: "DataError", 66: "NotFound", 77: "Forbidden"}
# Exit code and the kubelet's reason of what another attempt may mend. Of each at most one a run: some classes give up
# where the same follows the same.
PASSING = {
    PREPROCESS: ((75, "Error"), (143, "Error"), (137, "OOMKilled"), (137, "Error"), (1, "Error")),
    TRAIN: ((75, "Error"), (143, "Error"), (137, "OOMKilled"), (137, "Error"), (134, "Error"), (86, "Error")),
}


@dataclass(frozen=True)
class Ending:
    """Of one pod, after it has run for so many seconds."""

    exit_code: int
    reason: str
    after_s: float


@dataclass(frozen=True)
class Script:
    """Of one run. Once all endings of a stage are used up, its pods publish, except that of a run that fails, for
    `reason`, the last ending of all comes again and again.
    """

    run: str
    created_at_s: float
    endings: Mapping[str, Sequence[Ending]]
    publishes_after_s: float
    reports: bool
    retry_limit: int = 10
    reason: str = ""
    fails_in: str = ""

    @property
    def phase(self) -> str:
        return "Failed" if self.reason else "Succeeded"

    def ending(self, stage: str, number: int) -> Ending:
        """Of the pod of that number, from 0 on; those that others ended do not count."""
        endings = self.endings.get(stage, ())
        if number < len(endings):
            return endings[number]
        if self.reason and endings and stage == self.fails_in:
            return endings[-1]
        return Ending(0, "Completed", self.publishes_after_s)

    @property
    def model_uri(self) -> str:
        return f"s3://tables/models/{self.run}/tables.pth"

    def message(self, stage: str, ending: Ending) -> str:
        """The termination message."""
        said: dict[str, Any] = {"version": 1, "stage": stage}
        if ending.exit_code:
            if ending.exit_code in (137, 134):
                return ""
            words = f"{self.run} ends with {ending.exit_code} after {ending.after_s:.2f} s"
            return json.dumps({**said, "result": "failed", "exitCode": ending.exit_code, "message": words})
        result = {"dataset": DATASET} if stage == PREPROCESS else {"model": {**MODEL, "uri": self.model_uri}}
        return json.dumps({**said, "result": "succeeded", **result})


def simple_script(run: str) -> Script:
    """Of a run that nothing happens to."""
    return Script(run, 0.0, {}, 3.0, reports=False)


def write_scripts(seed: int, runs: int, minutes: float) -> list[Script]:
    """Runs that begin one after the other, in the first three quarters of the time."""
    rng = random.Random(f"scripts {seed}")
    seconds = minutes * 60.0
    return [_write(rng, f"run-{number:04}", rng.uniform(0.0, 0.75 * seconds), seconds) for number in range(runs)]


def _write(rng: random.Random, run: str, created_at_s: float, seconds: float) -> Script:
    def lasts() -> float:
        return rng.uniform(1.0, max(2.0, min(120.0, seconds / 12)))

    endings: dict[str, list[Ending]] = {PREPROCESS: [], TRAIN: []}
    reason, fails_in, retry_limit, fate = "", "", 10, rng.random()
    if fate > 0.5:
        for stage, passing in PASSING.items():
            chosen = rng.sample(passing, rng.choice([0, 1, 1, 2]))
            endings[stage] = [Ending(code, why, lasts()) for code, why in chosen]
    if fate > 0.85:
        fails_in, code = rng.choice([PREPROCESS, TRAIN]), rng.choice(sorted(PERMANENT))
        endings[fails_in].append(Ending(code, "Error", lasts()))
        reason = PERMANENT[code]
    elif fate > 0.75:
        endings = {PREPROCESS: [], TRAIN: [Ending(75, "Error", lasts())]}
        reason, fails_in, retry_limit = "RetryLimitReached", TRAIN, 1
    return Script(run, created_at_s, endings, lasts(), rng.random() < 0.2, retry_limit, reason, fails_in)
