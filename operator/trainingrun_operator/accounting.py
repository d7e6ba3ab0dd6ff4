"""Brings what visits and reports show into the metrics. Like the counters, the account is one for the process."""

from __future__ import annotations

import time
from datetime import datetime

from trainingrun_operator import metrics
from trainingrun_operator.core import usage
from trainingrun_operator.core.plan import Observed
from trainingrun_operator.core.progress.state import ProgressState
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, Status
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store

_gpus: usage.GpuClock[Key] = usage.GpuClock()


def saw(observed: Observed) -> None:
    """A visit begins with this."""
    _gpus.see(Key(observed.run.namespace, observed.run.name), usage.gpus(observed), time.monotonic())


def is_over(key: Key) -> None:
    """The run is finished or gone."""
    _gpus.see(key, usage.Gpus(), time.monotonic())


def wrote(observed: Observed, status: Status, now: datetime) -> None:
    """A visit has written this status."""
    failure = usage.new_failure(observed.run.status, status)
    if failure is not None:
        metrics.FAILURES.labels(failure.failure_class).inc()
    _gpus.lose(usage.added_loss(observed.run.status, status))
    waited_s = usage.seconds_to_first_pod(observed.run.status, status, now)
    if waited_s is not None:
        metrics.FIRST_POD.observe(waited_s)


def wrote_progress(run: Run, written: ProgressState, new: ProgressState, now: datetime) -> None:
    """The progress in the status has become another."""
    waited_s = usage.seconds_to_first_step(run, written, new, now)
    if waited_s is not None:
        metrics.FIRST_STEP.observe(waited_s)


def gpu_seconds() -> dict[str, float]:
    """For the scrape."""
    return _gpus.seconds(time.monotonic())


def runs_by_phase(store: Store) -> dict[str, int]:
    """For the scrape: every phase, also those that no run is in."""
    found = store.phases()
    found[Phase.PENDING] += found.pop("", 0)
    return {str(phase): found[phase] for phase in Phase}
