"""The metrics are those of the documentation; a visit is measured however it ends."""

from __future__ import annotations

import re

import pytest

from tests.support.operator.world import World
from tests.support.paths import REPOSITORY
from trainingrun_operator import accounting, metrics
from trainingrun_operator.core.resource.status import Phase
from trainingrun_operator.endpoints.refusals import Refusal
from trainingrun_operator.observation.store import Store

SOURCES = metrics.Sources(
    runs_by_phase=lambda: {"Pending": 1},
    backlog=lambda: (2, 3.5),
    gpu_seconds=lambda: {"used": 60.0},
    leads=lambda: True,
)


def section() -> str:
    page = (REPOSITORY / "docs" / "operator.md").read_text()
    return page.partition("\n## Metrics\n")[2].partition("\n## ")[0]


def test_the_metrics_are_those_of_the_documentation() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", section(), re.MULTILINE)
    documented = {(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    found = set()
    for metric in metrics._ALL:
        for family in metric.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.add((name, family.type, tuple(getattr(metric, "_labelnames", ()))))
    for family in metrics._WhenAsked(SOURCES).collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found.add((name, family.type, tuple(family.samples[0].labels)))
    assert found == documented


def test_every_reason_of_a_refusal_is_documented() -> None:
    assert [reason for reason in Refusal if f"`{reason}`" not in section()] == []


def test_a_scrape_reads_what_is_true_then() -> None:
    registry = metrics.registry(SOURCES)
    assert registry.get_sample_value("trainingrun_runs", {"phase": "Pending"}) == 1
    assert registry.get_sample_value("trainingrun_leader") == 1
    assert registry.get_sample_value("trainingrun_queue_depth") == 2
    assert registry.get_sample_value("trainingrun_queue_oldest_seconds") == 3.5
    assert registry.get_sample_value("trainingrun_gpu_seconds_total", {"kind": "used"}) == 60
    assert registry.get_sample_value("process_resident_memory_bytes")


def test_runs_are_counted_in_every_phase_and_a_new_one_is_pending() -> None:
    store, world = Store(), World()
    assert set(accounting.runs_by_phase(store).values()) == {0}
    store.observe_run(world.run)
    assert accounting.runs_by_phase(store)[Phase.PENDING] == 1
    world.visits()
    world.worker_runs()
    world.visits()
    store.observe_run(world.run)
    counted = accounting.runs_by_phase(store)
    assert (counted[Phase.PREPROCESSING], sum(counted.values())) == (1, 1)


async def test_a_visit_is_measured_however_it_ends() -> None:
    def count(outcome: str) -> float:
        value = metrics.registry(SOURCES).get_sample_value("trainingrun_visit_seconds_count", {"outcome": outcome})
        return value or 0.0

    async def visit(key: str) -> float | None:
        if key == "bad":
            raise ValueError("bad")
        return 5.0

    done, failed = count("done"), count("failed")
    assert await metrics.timed(visit)("good") == 5.0
    with pytest.raises(ValueError, match="bad"):
        await metrics.timed(visit)("bad")
    assert (count("done"), count("failed")) == (done + 1, failed + 1)
