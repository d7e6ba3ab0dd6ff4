"""What is in the Lease, and when it may be taken."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from trainingrun_operator.leadership import lease
from trainingrun_operator.leadership.lease import Identity, Sight

ME = Identity(pod="operator-1", process="a1")
NOW = datetime(2026, 11, 28, 12, 0, 0, 250000, UTC)


def stored(version: str = "7", **spec: Any) -> dict[str, Any]:
    """A Lease as the API server has it, with something of somebody else's in it."""
    meta = {"name": "n", "namespace": "ns", "resourceVersion": version, "labels": {"team": "tables"}}
    return {"metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "unchanged_for_s", "free"),
    [
        ({"holderIdentity": "operator-2_b1", "leaseDurationSeconds": 15}, 14.9, False),
        ({"holderIdentity": "operator-2_b1", "leaseDurationSeconds": 15}, 15.0, True),
        ({"holderIdentity": "operator-2_b1", "leaseDurationSeconds": 60}, 15.0, False),
        ({"holderIdentity": "operator-2_b1"}, 14.9, False),
        ({"holderIdentity": "operator-2_b1"}, 15.0, True),
        ({"holderIdentity": "", "leaseDurationSeconds": 1}, 0.0, True),
        ({}, 0.0, True),
        # A process of this very pod, which was killed, or this process itself, whose renewal was never answered.
        ({"holderIdentity": "operator-1_b1", "leaseDurationSeconds": 15}, 0.0, True),
        ({"holderIdentity": "operator-1_a1", "leaseDurationSeconds": 15}, 0.0, True),
        ({"holderIdentity": "operator-11_b1", "leaseDurationSeconds": 15}, 0.0, False),
        ({"holderIdentity": "kubectl", "leaseDurationSeconds": 15}, 0.0, False),
    ],
)
def test_a_lease_is_free_when_nobody_who_lives_holds_it(
    spec: dict[str, Any], unchanged_for_s: float, free: bool
) -> None:
    body = stored(**spec)
    assert lease.is_free(body, Sight(version="7", since_s=100.0), ME, 100.0 + unchanged_for_s) is free


def test_its_time_begins_anew_with_each_change_and_is_that_of_whoever_looks() -> None:
    first = lease.looked_at(stored("7"), None, 100.0)
    assert lease.looked_at(stored("7"), first, 109.0) == Sight(version="7", since_s=100.0)
    assert lease.looked_at(stored("8"), first, 109.0) == Sight(version="8", since_s=109.0)


def test_who_takes_it_counts_one_more_change_and_leaves_alone_what_is_others() -> None:
    taken = lease.taken(stored(holderIdentity="operator-2_b1", leaseTransitions=3, strategy=None), ME, NOW)
    assert taken["spec"] == {
        "holderIdentity": "operator-1_a1",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-28T12:00:00.250000Z",
        "renewTime": "2026-11-28T12:00:00.250000Z",
        "leaseTransitions": 4,
        "strategy": None,
    }
    assert taken["metadata"] == stored()["metadata"]


def test_a_renewal_changes_the_time_of_renewal_alone() -> None:
    held = lease.taken(stored(), ME, NOW)
    later = NOW.replace(second=4)
    assert lease.renewed(held, later)["spec"] == held["spec"] | {"renewTime": "2026-11-28T12:00:04.250000Z"}


def test_a_lease_that_was_given_back_is_free_at_once() -> None:
    body = lease.given_back(lease.taken(stored(), ME, NOW), NOW)
    assert lease.holder_of(body) == ""
    assert lease.is_free(body, lease.looked_at(body, None, 0.0), Identity(pod="operator-2", process="b"), 0.0)


def test_who_is_certain_stops_before_anybody_else_may_begin() -> None:
    assert lease.CERTAIN_S < lease.DURATION_S
