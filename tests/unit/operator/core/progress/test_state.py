"""The status fields of progress: which reports are taken, what becomes of them, when they are written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.operator.reports import point, report
from tests.support.operator.world import START
from trainingrun_operator.core.progress.state import ProgressState, advance, format_duration, is_newer, write_delay

TEN_SECONDS = timedelta(seconds=10)


def state(**fields: Any) -> ProgressState:
    return advance(ProgressState(), report(**fields), "pod-1", START)


def test_a_report_becomes_strings_for_people_and_numbers_for_programs() -> None:
    progress = state(etaSeconds=4320.9, iteration=120, throughput="12.3 img/s").progress
    assert progress is not None
    assert (progress.percent, progress.percentage, progress.epochs) == (15, "15%", "3/20")
    assert (progress.eta, progress.eta_seconds) == ("1h12m", 4320)
    assert progress.last_update_time == START


def test_what_a_training_runs_on_and_starts_from_is_kept_as_far_as_there_is_room() -> None:
    progress = state(
        device={"name": "G" * 100, "count": 2, "memoryBytes": 23_609_475_072},
        baseWeights={"loaded": False, "message": "m" * 1000},
    ).progress
    assert progress is not None
    assert progress.device is not None
    assert progress.base_weights is not None
    assert (len(progress.device.name), len(progress.base_weights.message)) == (64, 256)
    assert progress.device.memory_bytes == 23_609_475_072


@pytest.mark.parametrize(
    ("changes", "pod", "newest", "taken"),
    [
        ({"sequence": 6}, "pod-1", True, True),
        ({"sequence": 5}, "pod-1", True, False),
        ({"sequence": 4}, "pod-1", True, False),
        ({"sequence": 1}, "pod-2", True, True),
        ({"sequence": 99}, "pod-2", False, False),
        ({"sequence": 1, "attempt": 3}, "pod-2", True, True),
        ({"sequence": 99, "attempt": 1}, "pod-1", True, False),
        ({"sequence": 99, "stage": "preprocess", "attempt": 9}, "pod-1", True, False),
    ],
)
def test_reports_are_taken_in_order(changes: dict[str, Any], pod: str, newest: bool, taken: bool) -> None:
    last = state(sequence=5, attempt=2).progress
    assert is_newer(last, report(**{"attempt": 2, **changes}), pod, from_newest_pod=newest) is taken


def test_the_five_newest_checkpoints_are_kept_newest_first() -> None:
    found = state(resumePoints=[point(epoch) for epoch in (3, 1, 7, 5, 2, 6, 4)]).resume_points
    assert [entry.epoch for entry in found] == [7, 6, 5, 4, 3]


def test_a_report_without_checkpoints_does_not_lose_the_known_ones() -> None:
    before = state(resumePoints=[point(1)])
    after = advance(before, report(sequence=2), "pod-1", START)
    assert after.resume_points == before.resume_points


def test_a_shortened_final_report_does_not_lose_the_known_checkpoints() -> None:
    before = state(resumePoints=[point(1), point(2)])
    last = report(sequence=2, resumePoints=[point(3)])
    assert [entry.epoch for entry in advance(before, last, "pod-1", START).resume_points] == [3]
    final = last.model_copy(update={"final": True})
    assert [entry.epoch for entry in advance(before, final, "pod-1", START).resume_points] == [3, 2, 1]


def test_the_best_checkpoint_outlives_the_list_and_the_earlier_of_equals_wins() -> None:
    first = state(resumePoints=[point(1, "0.5"), point(2, "0.6"), point(3, "0.6"), point(4, "nonsense"), point(5)])
    assert first.best_checkpoint is not None
    assert first.best_checkpoint.epoch == 2
    later = advance(first, report(sequence=2, resumePoints=[point(9, "0.3")]), "pod-1", START)
    assert later.best_checkpoint is not None
    assert later.best_checkpoint.epoch == 2


@pytest.mark.parametrize(
    ("pending", "since_s", "final", "delay_s"),
    [
        ({"sequence": 2}, 3, False, 7),
        ({"sequence": 2}, 11, False, 0),
        ({"sequence": 2}, 3, True, 0),
        ({"sequence": 2, "resumePoints": [point(1)]}, 3, False, 0),
        ({"sequence": 1, "attempt": 2}, 3, False, 0),
    ],
)
def test_a_write_waits_unless_it_matters(pending: dict[str, Any], since_s: int, final: bool, delay_s: int) -> None:
    since = timedelta(seconds=since_s)
    delay = write_delay(state(), state(**pending), since_write=since, interval=TEN_SECONDS, final=final)
    assert delay.total_seconds() == delay_s


def test_the_first_report_is_written_at_once() -> None:
    delay = write_delay(ProgressState(), state(), since_write=timedelta(0), interval=TEN_SECONDS, final=False)
    assert delay == timedelta(0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (45, "45s"), (60, "1m"), (119, "1m"), (3600, "1h"), (4320, "1h12m"), (90000, "1d1h"), (86400, "1d")],
)
def test_durations_show_the_two_largest_units(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_json_of_a_cleared_state_removes_the_figures_and_keeps_the_checkpoints() -> None:
    cleared = state(resumePoints=[point(1, "0.5")]).cleared().to_json()
    assert set(cleared) == {"resumePoints", "bestCheckpoint"}


def test_a_pod_that_does_not_know_yet_where_it_stands_leaves_the_figures_of_the_stage() -> None:
    before = state(attempt=1, etaSeconds=60, metrics=[{"name": "bbox_mAP", "value": "0.512"}])
    device = {"name": "NVIDIA L4", "count": 1}
    began = report(attempt=2, sequence=1, percent=None, epoch=None, totalEpochs=None, device=device)
    after = advance(before, began, "pod-2", START).progress
    assert before.progress is not None
    assert after is not None
    assert (after.attempt, after.pod_uid, after.device and after.device.name) == (2, "pod-2", "NVIDIA L4")
    assert (after.percentage, after.epochs, after.metrics) == ("15%", "3/20", before.progress.metrics)
    assert (after.eta, after.throughput) == (None, None), "that was the pod before"
    from_the_start = advance(before, report(attempt=2, percent=0, epoch=0), "pod-2", START).progress
    assert from_the_start is not None
    assert (from_the_start.percentage, from_the_start.epochs) == ("0%", "0/20")


def test_the_figures_of_preprocess_are_not_those_of_training() -> None:
    before = advance(ProgressState(), report(stage="preprocess", percent=80), "pod-1", START)
    after = advance(before, report(stage="train", percent=None, epoch=None), "pod-2", START).progress
    assert after is not None
    assert (after.percentage, after.epoch) == (None, None)
