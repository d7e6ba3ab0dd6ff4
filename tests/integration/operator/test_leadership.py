"""Two operators and a real API server: one leads, and another one follows it, however it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster.kube import Kube, Object, wait_for
from tests.support.operator.lifecycle import Life
from tests.support.operator.operator_process import OperatorProcess

pytestmark = pytest.mark.integration

# What the API server, the machine and the start of what leads may add to what the Lease itself takes.
SLACK_S = 15.0
LEASE_S = 15.0


@pytest.fixture
def operators(
    kube: Kube, namespace: str, gateway_tls: Path, tmp_path: Path
) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """The first leads, the second stands by."""
    first, second = (
        OperatorProcess(kube.kubeconfig, namespace, gateway_tls, log=tmp_path / f"{pod}.log", POD_ID=pod)
        for pod in ("first", "second")
    )
    try:
        first.start()
        second.start(leads=False)
        yield first, second
    finally:
        first.kill()
        second.kill()


def lease(kube: Kube, namespace: str) -> Object:
    spec: Object = kube.get(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/trainingrun-operator")["spec"]
    return spec


def seconds_until_it_leads(operator: OperatorProcess) -> float:
    began = time.monotonic()
    wait_for(lambda: operator.leads, "the other operator leads", timeout_s=LEASE_S + 2 * SLACK_S)
    return time.monotonic() - began


def test_one_leads_and_the_other_is_ready_and_writes_nothing(
    kube: Kube, namespace: str, operators: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = operators
    assert first.leads
    assert not second.leads
    holder = lease(kube, namespace)["holderIdentity"]
    assert holder.startswith("first_")
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    assert "status written" in first.log
    assert "status written" not in second.log
    assert "stands by: another operator leads" in second.log
    assert holder in second.log


def test_a_leader_that_is_killed_is_followed_within_the_time_of_its_lease(
    kube: Kube, namespace: str, operators: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = operators
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    first.kill()
    assert seconds_until_it_leads(second) < LEASE_S + SLACK_S
    life.passes("preprocess")
    life.passes("train")
    life.reaches("Succeeded")
    assert lease(kube, namespace)["leaseTransitions"] == 1


def test_a_leader_that_ends_is_followed_at_once(
    kube: Kube, namespace: str, operators: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = operators
    assert first.stop() == 0, first.log
    assert seconds_until_it_leads(second) < 3 + SLACK_S / 3


def test_a_leader_that_hung_writes_nothing_when_it_wakes_up_and_ends(
    kube: Kube, namespace: str, operators: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = operators
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    first.freeze()
    # Due when it wakes up: it has seen nothing of it, and reads it then.
    kube.patch(life.path, {"spec": {"suspend": True}})
    seconds_until_it_leads(second)
    life.reaches("Suspended")
    writes_before = first.log.count("status written")
    kube.patch(life.path, {"spec": {"suspend": False}})
    first.thaw()
    assert first.exit_code() == 1
    assert "this operator ends, and starts anew to stand by" in first.log
    assert first.log.count("status written") == writes_before
    life.passes("preprocess")
    assert second.leads
    first.start(leads=False)
    assert not first.leads


def test_a_leader_that_hung_and_that_nobody_followed_goes_on(
    kube: Kube, namespace: str, operators: tuple[OperatorProcess, OperatorProcess]
) -> None:
    first, second = operators
    second.kill()
    first.freeze()
    time.sleep(LEASE_S + 1)
    first.thaw()
    life = Life(kube, namespace)
    life.runs("preprocess")
    life.reaches("Preprocessing")
    assert lease(kube, namespace)["leaseTransitions"] == 0


def test_who_stands_by_ends_when_told_to(operators: tuple[OperatorProcess, OperatorProcess]) -> None:
    assert operators[1].stop() == 0, operators[1].log
    assert operators[0].leads
