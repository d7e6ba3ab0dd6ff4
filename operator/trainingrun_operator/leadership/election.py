"""Waits for the Lease, renews it, gives it back: who holds it leads.

Beside client-go's leader election there is one difference. A holder that could not renew for a while writes nothing
meanwhile, but it ends only if somebody else took the Lease: the version of its last renewal proves that nobody did. So
an API server that is away for minutes costs no restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    InvalidError,
    LeaseLostError,
    RefusedError,
    SetupError,
)
from trainingrun_operator.leadership import lease as leases
from trainingrun_operator.leadership.lease import Identity, Object, Sight

logger = logging.getLogger(__name__)

RENEW_EVERY_S = 4.0
RETRY_AFTER_S = 1.0
LOOK_EVERY_S = 2.0


class LeasePort(Protocol):
    """The calls of the API server that are needed here."""

    async def get_lease(self, namespace: str, name: str) -> Object: ...
    async def create_lease(self, lease: Object) -> Object: ...
    async def replace_lease(self, lease: Object) -> Object: ...


def _uptime_s() -> float:
    # It goes on while the machine sleeps, as the Lease does.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Leadership:
    """One process's part in it. Its methods belong to one event loop."""

    def __init__(
        self,
        cluster: LeasePort,
        *,
        namespace: str,
        name: str,
        pod: str,
        clock: Callable[[], float] = _uptime_s,
        now: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            pod: of this process; a process that is killed there leaves the Lease to the next one in the same pod.
            clock: seconds that never go back nor stand still.
        """
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._me = Identity(pod=pod, process=uuid.uuid4().hex[:12])
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._sight: Sight | None = None
        self._told_holder: str | None = None
        # As it was stored when it was last taken or renewed; empty while another one has it.
        self._lease: Object = {}
        self._certain_until_s = float("-inf")

    def is_certain(self) -> bool:
        """Whether nobody else can lead now. To be asked right before a write: the process may have been frozen."""
        return self._clock() < self._certain_until_s

    async def take(self) -> None:
        """Waits until this process leads.

        Raises:
            SetupError: the Lease can't be had as the operator was installed.
        """
        while not await self._is_taken():
            await self._sleep(LOOK_EVERY_S)
        logger.info("leads", extra={"lease": self._path, "holder": str(self._me)})

    async def keep(self) -> None:
        """Renews until cancelled.

        Raises:
            LeaseLostError: somebody else leads.
        """
        pause_s = RENEW_EVERY_S
        while True:
            await self._sleep(pause_s)
            try:
                await self._renew()
                pause_s = RENEW_EVERY_S
            except GoneError as error:
                raise self._lost("was deleted") from error
            except ClusterError as error:
                logger.warning("the Lease was not renewed", extra={"lease": self._path, "error": error})
                pause_s = RETRY_AFTER_S

    async def give_back(self) -> None:
        """Lets the next one lead at once. To be called when nothing that this process writes is on its way."""
        lease, self._lease, self._certain_until_s = self._lease, {}, float("-inf")
        if not lease:
            return
        # The next one waits until it has run out otherwise.
        with contextlib.suppress(ClusterError):
            await self._cluster.replace_lease(leases.given_back(lease, self._now()))
            logger.info("gave the Lease back", extra={"lease": self._path})

    @property
    def _path(self) -> str:
        return f"{self._namespace}/{self._name}"

    async def _is_taken(self) -> bool:
        asked_at_s = self._clock()
        try:
            lease = await self._wanted()
            if lease is None:
                return False
            stored = await self._store(lease)
        except ConflictError:
            # Somebody else was faster.
            return False
        except (RefusedError, InvalidError) as error:
            raise SetupError(
                f"the Lease {self._path}, by which one operator leads, can't be had: {error}; give the operator the "
                "rights on it that docs/security.md lists"
            ) from error
        except ClusterError as error:
            logger.warning("the Lease can't be asked for now", extra={"lease": self._path, "error": error})
            return False
        self._hold(stored, asked_at_s)
        return True

    async def _wanted(self) -> Object | None:
        """The Lease as it is to be stored; None while somebody else holds it."""
        try:
            lease = await self._cluster.get_lease(self._namespace, self._name)
        except GoneError:
            return leases.new(self._namespace, self._name, self._me, self._now())
        now_s = self._clock()
        self._sight = leases.looked_at(lease, self._sight, now_s)
        if leases.is_free(lease, self._sight, self._me, now_s):
            return leases.taken(lease, self._me, self._now())
        holder = leases.holder_of(lease)
        if holder != self._told_holder:
            logger.info("stands by: another operator leads", extra={"lease": self._path, "holder": holder})
            self._told_holder = holder
        return None

    async def _store(self, lease: Object) -> Object:
        if "resourceVersion" in lease["metadata"]:
            return await self._cluster.replace_lease(lease)
        return await self._cluster.create_lease(lease)

    async def _renew(self) -> None:
        asked_at_s = self._clock()
        try:
            self._hold(await self._cluster.replace_lease(leases.renewed(self._lease, self._now())), asked_at_s)
        except ConflictError:
            # It may have been changed by a renewal of this process that was never answered.
            lease = await self._cluster.get_lease(self._namespace, self._name)
            if leases.holder_of(lease) != str(self._me):
                raise self._lost(f"is held by {leases.holder_of(lease) or 'nobody'}") from None
            self._lease = lease
            raise

    def _hold(self, lease: Object, asked_at_s: float) -> None:
        self._lease, self._certain_until_s = lease, asked_at_s + leases.CERTAIN_S

    def _lost(self, how: str) -> LeaseLostError:
        self._lease, self._certain_until_s = {}, float("-inf")
        return LeaseLostError(f"the Lease {self._path} {how}: this operator ends, and starts anew to stand by")
