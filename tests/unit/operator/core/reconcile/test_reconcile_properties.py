"""Invariants of a run's life, whatever happens in whatever order and wherever the operator dies."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, precondition, rule

from tests.support.operator.life_machine import Life, is_open
from tests.support.operator.world import World, termination
from trainingrun_operator.core.attempt import relevant_jobs
from trainingrun_operator.core.plan import CreateError, Plan
from trainingrun_operator.core.reconcile import reconcile
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage


class DecidedLife(Life):
    """The decisions alone, on all there is. World asserts by itself that no Job is ever made twice."""

    @rule()
    def operator_visits(self) -> None:
        self.world.visits_once()

    @rule()
    def operator_dies_before_it_writes_the_status(self) -> None:
        self.world.visits_once(dies_before_status=True)

    @rule(permanent=st.booleans())
    def the_api_server_refuses_the_next_job(self, permanent: bool) -> None:
        names = relevant_jobs(Run.parse(self.world.run))
        if names and names[-1] not in self.world.jobs and not (permanent and self.world.created):
            stage = Stage.PREPROCESS if "-preprocess-" in names[-1] else Stage.TRAIN
            self.world.create_error = CreateError(name=names[-1], stage=stage, message="no", permanent=permanent)
            self.world.visits_once()
            self.world.create_error = None

    @invariant()
    def the_same_observation_gives_the_same_plan(self) -> None:
        observed = self.world.observed()
        assert reconcile(observed, self.world.now) == reconcile(copy.deepcopy(observed), self.world.now)

    @invariant()
    def a_run_that_is_not_over_always_has_its_next_visit(self) -> None:
        plan = reconcile(self.world.observed(), self.world.now)
        assert self.world.status.is_terminal == (plan == Plan())
        ends = plan.status is not None and plan.status.is_terminal
        assert (plan.requeue_after is not None) != (self.world.status.is_terminal or ends)


DecidedLife.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLife = DecidedLife.TestCase


class ShardedLife(DecidedLife):
    """The same with three pods that share preprocess."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(dataset={"parallelism": 3})

    @precondition(Life._job_is_open)
    @rule()
    def another_pod_runs_beside(self) -> None:
        self.world.worker_runs()

    @precondition(Life._pod_is_open)
    @rule()
    def a_pod_does_its_share(self) -> None:
        self.world.pod_ends(0, termination("preprocess", shard={"index": 0, "of": 3, "documents": 7}))

    @precondition(Life._job_is_open)
    @rule()
    def the_job_is_complete_without_a_result(self) -> None:
        self.world.job_ends("Complete")


class LifeWithDeadlines(DecidedLife):
    """The same with every deadline, and a review that somebody may forget."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(deadlines={"start": "10m", "active": "1h"}, review={"required": True})

    def operator_visits(self) -> None:
        paused, failures = self.world.run["spec"].get("suspend"), self._failures()
        self.world.visits_once()
        if paused:
            assert self._failures() == failures, "no deadline passes while the run is suspended"

    def _failures(self) -> tuple[Any, ...]:
        failure, reason = self.world.status.last_failure, self.world.run.get("status") and self.world.reason
        overdue = failure is not None and failure.failure_class in ("StartDeadlineExceeded", "DeadlineExceeded")
        return failure if overdue else None, reason == "DeadlineExceeded" and self.world.status.phase

    @precondition(Life._job_is_open)
    @rule()
    def the_job_controller_starts_the_job(self) -> None:
        if not self.world.job.get("status"):
            self.world.job_starts()

    @precondition(lambda self: self._job_is_open() and self.world.job["spec"].get("activeDeadlineSeconds") == 0)
    @rule()
    def the_job_controller_ends_a_job_that_was_ended(self) -> None:
        if not self.world.job["spec"].get("suspend"):
            self.world.job_has_ended()

    @rule(approved=st.booleans())
    def somebody_approves_or_thinks_better_of_it(self, approved: bool) -> None:
        self.world.changes_spec(review={"approved": approved})

    @rule(start=st.sampled_from(["1m", "10m", None]), active=st.sampled_from(["1h", "100h", None]))
    def somebody_changes_the_deadlines(self, start: str | None, active: str | None) -> None:
        self.world.changes_spec(deadlines={"start": start, "active": active})

    @invariant()
    def a_run_that_is_over_leaves_no_job_that_could_start_a_pod_for_a_deadline(self) -> None:
        if self.world.status.is_terminal and self.world.reason == "DeadlineExceeded":
            jobs = [job for job in self.world.jobs.values() if is_open(job)]
            assert all(job["spec"].get("activeDeadlineSeconds") == 0 for job in jobs)


LifeWithDeadlines.TestCase.settings = DecidedLife.TestCase.settings
TestLifeWithDeadlines = LifeWithDeadlines.TestCase


ShardedLife.TestCase.settings = DecidedLife.TestCase.settings
TestShardedLife = ShardedLife.TestCase
