"""Dry runs: asks the API server whether it would take an object, and remembers for a while what it has taken."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from trainingrun_operator.api.cluster import ClusterPort
from trainingrun_operator.core.plan import Trial

# A validation may change with the API server's version or a webhook's.
REMEMBERED_S = 600.0
MOST_REMEMBERED = 1000


class DryRuns:
    """What the API server takes. Only what it took is remembered: a quota that refuses today may be larger tomorrow."""

    def __init__(self, cluster: ClusterPort, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        # When an object with that digest was taken, the oldest first.
        self._taken_s: OrderedDict[str, float] = OrderedDict()

    async def takes(self, trial: Trial) -> None:
        """Returns where the object is taken, or one like it was lately.

        Raises:
            InvalidError: it never will be.
            RefusedError: it is not for now.
            ClusterError: it is not known.
        """
        if self._clock() - self._taken_s.get(trial.digest, float("-inf")) < REMEMBERED_S:
            return
        await self._cluster.dry_run(trial.manifest)
        self._taken_s.pop(trial.digest, None)
        self._taken_s[trial.digest] = self._clock()
        if len(self._taken_s) > MOST_REMEMBERED:
            self._taken_s.popitem(last=False)
