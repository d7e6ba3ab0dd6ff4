"""What happens, in which order and for how long: drawn from the seed."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass


class What(enum.StrEnum):
    """One thing that happens. The names are what the table of times to recover says."""

    NOTHING = "nothing"
    OPERATOR_KILLED = "operator killed"
    OPERATOR_FROZEN = "operator frozen"
    API_SERVER_KILLED = "API server killed"
    API_SERVER_FROZEN = "API server frozen"
    ETCD_KILLED = "etcd killed"
    CONTROLLER_MANAGER_KILLED = "controller manager killed"
    SCHEDULER_KILLED = "scheduler killed"
    CALLS_REFUSED = "calls refused (409, 429, 500, 503)"
    CALLS_UNANSWERED = "calls done and not answered"
    CALLS_SLOW = "calls slow"
    EVENTS_LOST = "watch events lost"
    WATCHES_CUT = "watches cut"
    NODE_REBOOTED = "a node rebooted"
    NODE_LOST = "a node lost for good"
    POD_EVICTED = "a pod evicted"
    JOB_DELETED = "a Job deleted"
    RUN_DELETED = "a run deleted"
    RUN_SUSPENDED = "a run suspended and resumed"
    LABEL_TAKEN = "a Job's label taken off"
    ETCD_RESTORED = "etcd restored from a backup"


# Those that somebody does to one thing; the others happen to all.
BY_PEOPLE = (What.POD_EVICTED, What.JOB_DELETED, What.RUN_DELETED, What.RUN_SUSPENDED, What.LABEL_TAKEN)
_ONCE_IN_A_WHILE = (What.NOTHING, What.ETCD_RESTORED)
LONGEST_LAST_S = 20.0


@dataclass(frozen=True)
class Act:
    """`lasts_s` is how long it is away, or the fault lasts; `pause_s` is how long it is calm before."""

    what: What
    lasts_s: float
    pause_s: float


def acts(seed: int, minutes: float) -> Iterator[Act]:
    """Without end: everything that there is in an order of its own, again and again.

    An etcd goes back to a backup rarely: what it undoes has to be made anew.
    """
    rng = random.Random(f"acts {seed}")
    longest_s = min(LONGEST_LAST_S, 2.0 + 2.0 * minutes)
    restores_after = 10
    while True:
        order = [what for what in What if what not in _ONCE_IN_A_WHILE]
        rng.shuffle(order)
        for what in order:
            yield Act(what, rng.uniform(0.5, longest_s), rng.uniform(0.0, longest_s / 2))
            restores_after -= 1
            if restores_after == 0:
                restores_after = 100
                yield Act(What.ETCD_RESTORED, rng.uniform(5.0, longest_s + 5.0), 0.0)
