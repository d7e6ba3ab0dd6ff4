"""Who leads, with a clock that stands still while nobody sleeps."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    LeaseLostError,
    RefusedError,
    SetupError,
    TransientError,
)
from trainingrun_operator.leadership import lease as leases
from trainingrun_operator.leadership.election import Leadership

Object = dict[str, Any]
NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Enough(Exception):  # noqa: N818  (it ends an endless loop of a test)
    pass


class ApiServer:
    """One Lease, with faults on demand: `faults` are raised instead of answers, the next one first."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.faults: list[ClusterError | None] = []
        self.calls: list[str] = []
        self._versions = itertools.count(1)

    async def get_lease(self, namespace: str, name: str) -> Object:
        self._called("get")
        assert (namespace, name) == ("system", "operator")
        if self.lease is None:
            raise GoneError('leases "operator" not found')
        return copy.deepcopy(self.lease)

    async def create_lease(self, lease: Object) -> Object:
        self._called("create")
        if self.lease is not None:
            raise ConflictError('leases "operator" already exists')
        return self._stored(lease)

    async def replace_lease(self, lease: Object) -> Object:
        self._called("replace")
        if self.lease is None:
            raise GoneError('leases "operator" not found')
        if lease["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError("the object has been modified")
        return self._stored(lease)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def _stored(self, lease: Object) -> Object:
        self.lease = copy.deepcopy(lease)
        self.lease["metadata"]["resourceVersion"] = str(next(self._versions))
        return copy.deepcopy(self.lease)


class Operators:
    """Operators on one API server. While one sleeps, the clock goes on; `meanwhile` says what else happens then."""

    def __init__(self) -> None:
        self.server = ApiServer()
        self.now_s = 0.0
        self.meanwhile: Callable[[], None] = lambda: None

    def named(self, pod: str) -> Leadership:
        return Leadership(
            self.server,
            namespace="system",
            name="operator",
            pod=pod,
            clock=lambda: self.now_s,
            now=lambda: NOW,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.meanwhile()
        if self.now_s > 1000:
            raise Enough

    async def keeps_until(self, leader: Leadership, end_s: float) -> None:
        """The leader renews until that time."""

        def end() -> None:
            if self.now_s >= end_s:
                raise Enough

        self.meanwhile = end
        with pytest.raises(Enough):
            await leader.keep()
        self.meanwhile = lambda: None


@pytest.fixture
def operators() -> Operators:
    return Operators()


async def test_the_first_one_leads_at_once(operators: Operators) -> None:
    first = operators.named("a")
    assert not first.is_certain()
    await first.take()
    assert first.is_certain()
    assert operators.now_s == 0
    assert operators.server.calls == ["get", "create"]


async def test_a_second_one_waits_as_long_as_the_first_renews_and_writes_nothing(operators: Operators) -> None:
    first, second = operators.named("a"), operators.named("b")
    await first.take()
    operators.server.calls.clear()

    for _ in range(20):
        assert not await second._is_taken()
        assert not second.is_certain()
        operators.now_s += 2
        await first._renew()
    assert operators.server.calls == ["get", "replace"] * 20
    assert first.is_certain()


async def test_one_that_was_killed_is_followed_after_the_time_of_its_lease(operators: Operators) -> None:
    first, second = operators.named("a"), operators.named("b")
    await first.take()
    await second.take()
    assert second.is_certain()
    assert not first.is_certain()
    assert leases.DURATION_S <= operators.now_s <= leases.DURATION_S + 2
    assert operators.server.lease is not None
    assert operators.server.lease["spec"]["leaseTransitions"] == 1


async def test_one_that_gave_it_back_is_followed_at_once(operators: Operators) -> None:
    first, second = operators.named("a"), operators.named("b")
    await first.take()
    await first.give_back()
    assert not first.is_certain()
    await second.take()
    assert operators.now_s == 0
    assert second.is_certain()


async def test_one_that_is_killed_in_its_pod_goes_on_there_at_once(operators: Operators) -> None:
    await operators.named("a").take()
    await operators.named("a").take()
    assert operators.now_s == 0


async def test_who_can_renew_is_certain_all_the_time(operators: Operators) -> None:
    leader = operators.named("a")
    await leader.take()
    doubts: list[float] = []

    def look() -> None:
        if not leader.is_certain():
            doubts.append(operators.now_s)

    operators.meanwhile = look
    with pytest.raises(Enough):
        await leader.keep()
    assert doubts == []


async def test_an_api_server_that_is_away_for_long_ends_certainty_but_not_the_leader(operators: Operators) -> None:
    leader = operators.named("a")
    await leader.take()
    operators.server.faults = [TransientError("refused")] * 60
    await operators.keeps_until(leader, 30)
    assert not leader.is_certain()
    await operators.keeps_until(leader, 80)
    assert leader.is_certain()


async def test_a_frozen_leader_that_nobody_followed_goes_on(operators: Operators) -> None:
    leader = operators.named("a")
    await leader.take()
    operators.now_s = 500
    assert not leader.is_certain(), "before anything else of it has run"
    await operators.keeps_until(leader, 505)
    assert leader.is_certain()


async def test_a_frozen_leader_that_somebody_followed_ends(operators: Operators) -> None:
    frozen, other = operators.named("a"), operators.named("b")
    await frozen.take()
    await other.take()
    assert not frozen.is_certain()
    with pytest.raises(LeaseLostError, match=r"system/operator is held by b_"):
        await frozen.keep()
    assert not frozen.is_certain()
    before = copy.deepcopy(operators.server.lease)
    await frozen.give_back()
    assert operators.server.lease == before, "what is another's is not given back"


async def test_a_renewal_that_was_never_answered_is_ones_own(operators: Operators) -> None:
    leader = operators.named("a")
    await leader.take()
    unanswered = leases.renewed(leader._lease, NOW)
    await operators.server.replace_lease(unanswered)
    await operators.keeps_until(leader, 20)
    assert leader.is_certain()


async def test_who_deletes_the_lease_ends_the_leader(operators: Operators) -> None:
    leader = operators.named("a")
    await leader.take()
    operators.server.lease = None
    with pytest.raises(LeaseLostError, match="was deleted"):
        await leader.keep()


async def test_of_two_that_find_no_lease_one_leads(operators: Operators) -> None:
    first, second = operators.named("a"), operators.named("b")
    wanted = await second._wanted()
    await first.take()
    assert wanted is not None
    with pytest.raises(ConflictError):
        await second._store(wanted)
    assert not await second._is_taken()


async def test_one_that_waits_bears_with_an_api_server_that_does_not_answer(operators: Operators) -> None:
    operators.server.faults = [TransientError("refused")] * 3
    leader = operators.named("a")
    await leader.take()
    assert leader.is_certain()
    assert operators.now_s == 6


async def test_missing_rights_are_said_at_the_start(operators: Operators) -> None:
    operators.server.faults = [RefusedError("leases is forbidden")]
    with pytest.raises(SetupError, match=r"system/operator.* leases is forbidden; .*docs/security.md"):
        await operators.named("a").take()


async def test_missing_rights_later_on_are_borne_with(operators: Operators) -> None:
    leader = operators.named("a")
    await leader.take()
    operators.server.faults = [RefusedError("the authorizer is not ready")]
    await operators.keeps_until(leader, 8)
    assert leader.is_certain()
