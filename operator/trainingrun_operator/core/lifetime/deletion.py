"""What becomes of the Jobs of a run that somebody deletes."""

from __future__ import annotations

from collections.abc import Sequence

from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.resource.run import Run


def jobs_to_end(run: Run, jobs: Sequence[JobView]) -> tuple[JobView, ...]:
    """The Jobs that would hold their GPUs for as long as a finalizer of somebody else keeps the run.

    None where whoever deletes the run has asked for its Jobs to stay (`kubectl delete --cascade=orphan`).
    """
    if not run.deleting or run.orphans_children:
        return ()
    return tuple(job for job in jobs if not (job.finished or job.deleting or job.ending))
