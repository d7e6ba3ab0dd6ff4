"""The life of a run, as decisions over plain data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import DATASET, DEFAULTS, MODEL, START, World, termination
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.plan import Plan
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase, Stage


def test_the_first_visit_sets_every_condition_and_makes_no_job() -> None:
    world = World()
    plan = world.visits_once()
    assert {condition.type for condition in world.status.conditions} == set(ConditionType)
    assert all(condition.observed_generation == 1 for condition in world.status.conditions)
    assert world.status.start_time == START
    assert plan.create == ()
    assert plan.requeue_after == timedelta(0)


def test_the_second_visit_makes_the_preprocess_job() -> None:
    world = World()
    world.visits()
    assert world.created == ["tables-preprocess-1-666ff6cc"]
    assert world.status.phase is Phase.PENDING
    assert world.status.attempts.preprocess == 1


def test_nothing_is_written_when_nothing_changed() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.waits(30)
    plan = world.visits_once()
    assert plan.status is None
    assert plan.events == ()
    assert plan.create == ()


def test_a_run_goes_through_both_stages_to_success() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.PREPROCESSING
    world.worker_publishes()
    world.visits()
    assert world.condition(ConditionType.DATASET_READY).status is ConditionStatus.TRUE
    assert world.status.dataset is not None
    assert world.status.dataset.digest == DATASET["digest"]
    world.worker_runs()
    world.visits()
    assert world.status.phase is Phase.TRAINING
    world.waits(60)
    world.worker_publishes()
    world.visits()
    status = world.status
    assert status.phase is Phase.SUCCEEDED
    assert status.stage is Stage.DONE
    assert status.model is not None
    assert status.model.uri == MODEL["uri"]
    assert status.completion_time == world.now
    assert status.progress is not None
    assert (status.progress.percent, status.progress.epochs, status.progress.eta) == (100, "3/3", None)
    for kind in (ConditionType.SUCCEEDED, ConditionType.TRAINED, ConditionType.COMPLETE):
        assert world.condition(kind).status is ConditionStatus.TRUE
    assert world.condition(ConditionType.FAILED).status is ConditionStatus.FALSE
    assert [event.reason for event in world.events] == [
        "Started",
        "JobCreated",
        "PreprocessStarted",
        "DatasetReady",
        "JobCreated",
        "TrainingStarted",
        "Succeeded",
    ]


def test_the_phase_stays_while_a_succeeded_pod_waits_for_its_job_to_say_so() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.pod_ends(0, termination("train", model=MODEL))
    world.visits()
    assert world.status.phase is Phase.TRAINING
    assert world.status.model is None


def test_the_last_transition_time_moves_only_with_the_status() -> None:
    world = World()
    world.visits()
    before = world.condition(ConditionType.SUCCEEDED)
    world.waits(60)
    world.worker_runs()
    world.visits()
    after = world.condition(ConditionType.SUCCEEDED)
    assert after.reason != before.reason
    assert after.last_transition_time == before.last_transition_time == START


def test_the_status_names_the_report_of_the_training_beside_the_model() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.worker_publishes(model={**MODEL, "report": "s3://tables/models/demo/tables.pth.report.html"})
    world.visits()
    assert world.run["status"]["report"] == "s3://tables/models/demo/tables.pth.report.html"
    assert world.run["status"]["model"] == MODEL


def test_a_model_without_a_report_is_a_model() -> None:
    world = World()
    world.succeeds()
    assert world.run["status"]["model"] == MODEL
    assert "report" not in world.run["status"]


def test_a_finished_run_never_changes_again() -> None:
    world = World()
    world.succeeds()
    before = world.run["status"]
    world.jobs.clear()
    world.pods.clear()
    world.changes_spec(suspend=True)
    assert world.visits_once() == Plan()
    assert world.run["status"] == before


def test_a_completed_pod_that_flips_to_failed_still_counts_as_completed() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.pod["status"] |= {"phase": "Failed", "reason": "UnexpectedAdmissionError"}
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED


def test_a_published_model_counts_also_when_the_job_failed() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.pod_ends(0, termination("train", model=MODEL))
    world.pod["status"] |= {"phase": "Failed", "reason": "UnexpectedAdmissionError"}
    world.visits()
    assert world.status.phase is Phase.TRAINING, "the Job has the next word"
    world.job_ends()
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED


def test_a_published_model_counts_also_when_another_pod_of_its_job_came_after() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.pod_ends(0, termination("train", model=MODEL), DisruptionTarget="EvictionByEvictionAPI")
    world.worker_runs()
    world.worker_exits(75)
    world.visits()
    assert world.status.phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("message", "failure_class"),
    [
        ("", "NoResult"),
        ("Traceback: not JSON", "NoResult"),
        (termination("train", "failed", exitCode=0, message="it did nothing"), "NoResult"),
        (termination("train"), "NoResult"),
        (termination("preprocess", dataset=DATASET), "NoResult"),
        (termination("preprocess", dataset=DATASET, model=MODEL), "NoResult"),
        (termination("train", model={**MODEL, "sha256": ""}), "NoResult"),
    ],
)
def test_exit_0_without_a_verified_model_is_no_success(message: str, failure_class: str) -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.pod_ends(0, message)
    world.job_ends("Complete")
    world.visits()
    assert world.status.model is None
    assert world.status.phase is Phase.RETRYING
    assert world.status.last_failure is not None
    assert world.status.last_failure.failure_class == failure_class


def test_a_result_that_nobody_can_read_any_more_is_made_again() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.pods.clear()
    world.visits()
    assert world.status.phase is Phase.RETRYING
    assert world.reason == "ResultLost"
    world.waits_for_the_retry()
    world.visits()
    assert world.created[-1] == "tables-preprocess-2-666ff6cc"


def test_the_result_of_a_pod_that_was_seen_before_it_vanished_counts() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.worker_publishes()
    world.pod_is_deleted()
    world.visits()
    assert world.status.dataset is not None


def test_suspending_before_the_start_keeps_the_spec_open() -> None:
    world = World(suspend=True)
    world.visits()
    assert world.status.phase is Phase.SUSPENDED
    assert world.status.start_time is None
    assert world.created == []
    world.changes_spec(suspend=False)
    world.visits()
    assert len(world.created) == 1


def test_suspending_suspends_the_job_and_resuming_resumes_it() -> None:
    world = World()
    world.reaches_training()
    world.worker_runs()
    world.visits()
    world.changes_spec(suspend=True)
    world.visits()
    assert world.job["spec"]["suspend"] is True
    assert world.status.phase is Phase.SUSPENDED
    assert world.condition(ConditionType.SUSPENDED).status is ConditionStatus.TRUE
    world.pod["metadata"]["deletionTimestamp"] = world.now.isoformat()
    world.pod_ends(143)
    world.visits()
    assert world.status.attempts.total == 2, "a pod that was suspended away is no failure"
    world.changes_spec(suspend=False)
    world.visits()
    assert world.job["spec"]["suspend"] is False
    assert world.status.phase is Phase.PENDING
    assert world.status.last_failure is None


def test_suspending_between_attempts_makes_no_job() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.worker_exits(75, says="S3 answered 503")
    world.visits()
    world.changes_spec(suspend=True)
    world.waits(3600)
    world.visits()
    assert world.status.phase is Phase.SUSPENDED
    assert len(world.created) == 1


def test_a_job_that_kueue_manages_is_never_suspended_or_resumed_by_the_operator() -> None:
    world = World(preprocess={"podTemplate": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}})
    world.visits()
    world.job["spec"]["suspend"] = True
    plan = world.visits()
    assert plan.suspend == ()
    assert world.status.phase is Phase.QUEUED
    world.changes_spec(suspend=True)
    assert world.visits().suspend == ()
    assert "this Job is Kueue's to suspend" in world.message
    assert world.condition(ConditionType.SUSPENDED).status is ConditionStatus.FALSE
    assert world.condition(ConditionType.SUSPENDED).message == "the run is not suspended"


def test_a_run_without_any_image_waits_for_one_and_says_so() -> None:
    world = World()
    world.defaults = JobDefaults()
    world.visits()
    assert (world.status.phase, world.reason, world.created) == (Phase.PENDING, "NoImage", [])
    world.defaults = DEFAULTS
    world.visits()
    assert len(world.created) == 1


def test_a_training_that_failed_shows_its_report() -> None:
    world = World()
    world.reaches_training()
    world.visits()
    world.worker_runs()
    report = "s3://b/checkpoints/report.html"
    world.worker_exits(65, message=termination("train", "failed", exitCode=65, message="No table.", report=report))
    world.visits()
    assert world.status.report == report


@pytest.mark.parametrize("stage", ["preprocess", "training"])
def test_a_job_that_cannot_even_be_built_keeps_the_run_from_starting_and_says_why(stage: str) -> None:
    world = World(**{stage: {"podTemplate": {"resources": {"limits": {"memory": "lots"}}}}})
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.PENDING, "JobRejected")
    assert world.status.start_time is None
    assert "'lots' is not a quantity" in world.message


def test_a_run_that_is_being_deleted_is_left_alone() -> None:
    world = World()
    world.run["metadata"]["deletionTimestamp"] = START.isoformat()
    assert world.visits_once() == Plan()


def test_the_figures_of_preprocess_do_not_stand_over_the_training() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.visits()
    world.run["status"]["progress"] = {"stage": "preprocess", "attempt": 1, "sequence": 9, "percent": 90}
    world.worker_publishes()
    world.visits()
    assert world.status.progress is None


def test_a_later_attempt_goes_on_from_the_runs_own_checkpoints() -> None:
    world = World(training={"resumeFrom": "s3://other/epoch_5.pth"})
    world.reaches_training()
    command = world.job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--resume-from") + 1] == "s3://other/epoch_5.pth"
    world.worker_runs()
    world.visits()
    world.run["status"]["resumePoints"] = [{"epoch": 6, "uri": "s3://tables/own/epoch_6.pth"}]
    world.worker_exits(75)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    command = world.job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--resume-from") + 1] == "auto"
