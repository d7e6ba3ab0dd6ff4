"""The operator's goals: what is counted for each, and when it is met."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hack.bench.operator.goals import Figures, Goal, judged, percentile, tables
from hack.bench.operator.quota import cpu_quota

MIB = 1 << 20
GOOD = Figures(
    runs=5000,
    burst_wall_s=110,
    burst_cpu_s=45,
    burst_requests=Counter({"patch trainingruns/status": 10000, "create jobs": 5000, "create events": 10000}),
    idle_creations_s=[0.1] * 99 + [0.4],
    busy_creations_s=[1.0] * 100,
    job_ends_s=[1.0] * 100,
    rest_s=60,
    rest_cpu_s=1,
    rest_requests=Counter({"list pods": 30, "watch pods": 100}),
    restart_wall_s=50,
    restart_cpu_s=10,
    restart_requests=Counter({"list pods": 10}),
    new_jobs_of_restart=0,
    reporters=1000,
    reports=6000,
    reports_cpus=0.4,
    reports_visible_s=[5.0] * 1000,
    memory_before_bytes=80 * MIB,
    memory_with_bytes=130 * MIB,
    memory_after_bytes=90 * MIB,
    memory_peak_bytes=200 * MIB,
)


def missed(found: Figures) -> list[Goal]:
    return [goal for goal in judged(found) if not goal.met]


def test_all_goals_can_be_met() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"burst_wall_s": 121}, "5,000 runs at once"),
        ({"burst_cpu_s": 61}, "the same, CPU s at 0.5 CPUs"),
        ({"burst_requests": Counter({"create jobs": 25001})}, "requests a run"),
        ({"idle_creations_s": [0.1] * 98 + [0.6] * 2}, "create to Job, idle"),
        ({"busy_creations_s": [2.1]}, "create to Job beside"),
        ({"job_ends_s": [2.1]}, "end of a Job"),
        ({"restart_wall_s": 61}, "restart with"),
        ({"new_jobs_of_restart": 1}, "restart: new Jobs"),
        ({"rest_requests": Counter({"patch trainingruns/status": 1})}, "at rest: writes"),
        ({"rest_requests": Counter({"get jobs": 61})}, "at rest: reads a second"),
        ({"memory_with_bytes": 149 * MIB}, "memory with"),
        ({"memory_after_bytes": 110 * MIB}, "memory given back"),
        ({"memory_peak_bytes": 513 * MIB}, "peak memory"),
        ({"reports_visible_s": [12.1]}, "report to status"),
        ({"reports_cpus": 0.51}, "CPUs while"),
    ],
)
def test_each_goal_is_missed_by_what_it_is_about(change: dict[str, object], what: str) -> None:
    goals = missed(replace(GOOD, **change))  # type: ignore[arg-type]
    assert what in " ".join(goal.what for goal in goals)


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (99, 4.0), (25, 1.0)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_the_table_says_what_is_missed() -> None:
    text = tables(replace(GOOD, burst_cpu_s=61))
    assert "| CPU ms a run | at most 10 | 12.2 | **no** |" in text
    assert "10.2 KiB a run" in text


@pytest.mark.parametrize(
    ("controller", "files"),
    [
        ("cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}),
        ("", {"cpu.max": "50000 100000"}),
    ],
)
def test_the_share_of_a_cpu_is_written_as_the_kernel_wants_it(
    tmp_path: Path, controller: str, files: dict[str, str]
) -> None:
    (tmp_path / controller).mkdir(exist_ok=True)
    (tmp_path / controller / "cgroup.procs").touch()
    with cpu_quota(0.5, tmp_path) as group:
        assert group is not None
        assert group.parent == tmp_path / controller
        assert {file.name: file.read_text() for file in group.iterdir()} == files


def test_without_cgroups_nothing_is_held(tmp_path: Path) -> None:
    with cpu_quota(0.5, tmp_path) as group:
        assert group is None
