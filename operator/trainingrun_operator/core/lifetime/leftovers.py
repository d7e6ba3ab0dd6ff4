"""Finished Jobs of runs that are over, until each has a time to live."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from trainingrun_operator.core.observed import JobView

K = TypeVar("K", bound=Hashable)


class Leftovers(Generic[K]):
    """Jobs by their run's key."""

    def __init__(self) -> None:
        self._jobs: dict[K, dict[str, JobView]] = {}

    def put(self, key: K, run_uid: str, job: JobView) -> bool:
        """Whether that Job is one: it belongs to the run, has ended, and nobody has said when it is to go."""
        if job.owner_uid != run_uid or not job.finished or job.expires or job.deleting:
            return False
        self._jobs.setdefault(key, {})[job.uid] = job
        return True

    def of(self, key: K) -> tuple[JobView, ...]:
        """Those of a run."""
        return tuple(self._jobs.get(key, {}).values())

    def drop(self, key: K, job_uid: str) -> None:
        """That Job has a time to live, or is gone."""
        jobs = self._jobs.get(key, {})
        jobs.pop(job_uid, None)
        if not jobs:
            self.drop_all(key)

    def drop_all(self, key: K) -> None:
        """The run is gone."""
        self._jobs.pop(key, None)
