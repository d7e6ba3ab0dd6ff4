"""Disruptions that a Job bears by itself: it replaces the pod, and the attempt goes on.

Nobody else keeps a trace of them, since the pods are deleted. Each is counted once, by the UID of its pod, whose hash
is in the status as long as the pod may be seen again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from trainingrun_operator.core.names import short_hash
from trainingrun_operator.core.observed import JobView, PodView
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import MAX_DISRUPTED_PODS, Phase


@dataclass(frozen=True, kw_only=True)
class Disruptions:
    """The disrupted pods of a Job: those that are new, and hashes of the UIDs of all that are known from now on."""

    new: tuple[PodView, ...]
    known: tuple[str, ...]


def find_disruptions(known: Collection[str], pods: Sequence[PodView]) -> Disruptions:
    """Which pods were disrupted since the last look.

    Args:
        known: hashes of those that were counted already.
        pods: the Job's, oldest first, those that are gone included.
    """
    # The condition alone may be taken back, where the eviction that it announces fails.
    disrupted = [pod for pod in pods if pod.disruption and (pod.deleting or pod.terminal or pod.gone)]
    # Of more pods the status has no room to say that they are counted: better some are not than each again and again.
    hashed = {short_hash(pod.uid): pod for pod in disrupted[-MAX_DISRUPTED_PODS:]}
    return Disruptions(new=tuple(pod for uid, pod in hashed.items() if uid not in known), known=tuple(hashed))


def was_stopped(run: Run, job: JobView) -> bool:
    """Whether somebody else has suspended the Job since the last look, as Kueue does to preempt it.

    Its pods are deleted without a sign of why, all at once: that they worked is what the phase in the status keeps.
    """
    worked = run.status.phase in (Phase.PREPROCESSING, Phase.TRAINING)
    return worked and job.suspended and not run.spec.suspend
