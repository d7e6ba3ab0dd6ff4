"""A finished attempt: all that a diagnosis rests on."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime

from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.progress.termination import TerminationMessage, read_termination_message
from trainingrun_operator.core.resource.status import Stage


class Deadline(enum.StrEnum):
    """A deadline of `spec.deadlines` that has passed."""

    START = "start"
    ACTIVE = "active"


@dataclass(frozen=True, kw_only=True)
class FinishedAttempt:
    """All that is observed of a finished attempt. A missing Job or pod was looked for live and is gone."""

    stage: Stage
    job: JobView | None
    pod: PodView | None
    termination: TerminationMessage | None = None
    # Why the operator ended it, where it did, and what it waited for or did then.
    deadline: Deadline | None = None
    deadline_message: str = ""

    @classmethod
    def of(cls, stage: Stage, job: JobView | None, pod: PodView | None) -> FinishedAttempt:
        """Reads the pod's termination message."""
        message = read_termination_message(pod.terminated_message) if pod else None
        return cls(stage=stage, job=job, pod=pod, termination=message)

    @property
    def exit_code(self) -> int | None:
        if self.pod and self.pod.exit_code is not None:
            return self.pod.exit_code
        # The Job keeps the code in its condition when the pod is gone already.
        match = re.search(r"failed with exit code (\d+) matching FailJob", self.job.failed_message if self.job else "")
        return int(match[1]) if match else None

    @property
    def finished_at(self) -> datetime | None:
        """When the pod's container ended, or else the Job."""
        return (self.pod and self.pod.finished_at) or (self.job and self.job.finished_at) or None

    @property
    def worker_reason(self) -> str:
        return self.termination.reason if self.termination else ""

    @property
    def disruption(self) -> str:
        return self.pod.disruption if self.pod else ""

    @property
    def pod_reason(self) -> str:
        return self.pod.reason if self.pod else ""

    @property
    def pod_message(self) -> str:
        return self.pod.message if self.pod else ""
