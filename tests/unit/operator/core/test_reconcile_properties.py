"""Invariants of a run's life, whatever happens in whatever order and wherever the operator dies."""

from __future__ import annotations

import copy
import json
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.operator.world import DATASET, MODEL, World, termination
from trainingrun_operator.core.attempt import relevant_jobs
from trainingrun_operator.core.plan import CreateError, Plan
from trainingrun_operator.core.reconcile import reconcile
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import ConditionStatus, ConditionType, Phase, Stage


def is_open(job: dict[str, Any]) -> bool:
    return not job.get("status", {}).get("conditions")


CODES = st.sampled_from([1, 64, 65, 66, 69, 75, 77, 86, 134, 137, 139, 143])


class Life(RuleBasedStateMachine):
    """World asserts by itself that no Job is ever made twice."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.terminal: str | None = None
        self.last_attempts = (0, 0, 0)
        self.preempted = 0

    # -- the operator

    @rule()
    def operator_visits(self) -> None:
        self.world.visits_once()

    @rule()
    def operator_dies_before_it_writes_the_status(self) -> None:
        self.world.visits_once(dies_before_status=True)

    @rule(seconds=st.sampled_from([1, 15, 700]))
    def time_passes(self, seconds: int) -> None:
        self.world.waits(seconds)

    @rule(permanent=st.booleans())
    def the_api_server_refuses_the_next_job(self, permanent: bool) -> None:
        names = relevant_jobs(Run.parse(self.world.run))
        if names and names[-1] not in self.world.jobs and not (permanent and self.world.created):
            stage = Stage.PREPROCESS if "-preprocess-" in names[-1] else Stage.TRAIN
            self.world.create_error = CreateError(name=names[-1], stage=stage, message="no", permanent=permanent)
            self.world.visits_once()
            self.world.create_error = None

    # -- people

    @rule(suspend=st.booleans())
    def somebody_suspends_or_resumes(self, suspend: bool) -> None:
        self.world.changes_spec(suspend=suspend)

    @rule(limit=st.integers(0, 5))
    def somebody_changes_the_limit(self, limit: int) -> None:
        self.world.changes_spec(retry={"limit": limit})

    @precondition(lambda self: bool(self.world.run["spec"].get("suspend")))
    @rule(memory=st.sampled_from(["1Gi", "8Gi"]))
    def somebody_changes_the_memory_of_a_suspended_run(self, memory: str) -> None:
        template = {"podTemplate": {"resources": {"limits": {"memory": memory}}}}
        self.world.changes_spec(preprocess=template, training=template)

    # -- the cluster

    def _job_is_open(self) -> bool:
        return bool(self.world.created) and self.world.created[-1] in self.world.jobs and is_open(self.world.job)

    def _pod_is_open(self) -> bool:
        if not (self._job_is_open() and self.world.pods):
            return False
        owner = self.world.pod["metadata"]["ownerReferences"][0]["uid"]
        is_open: bool = self.world.pod["status"]["phase"] in ("Pending", "Running")
        return is_open and owner == self.world.job["metadata"]["uid"]

    @precondition(lambda self: self._job_is_open() and not self._pod_is_open())
    @rule()
    def a_pod_runs(self) -> None:
        self.world.worker_runs()

    @precondition(_job_is_open)
    @rule()
    def a_pod_waits_for_a_place(self) -> None:
        self.world.pod_is_unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")

    @precondition(_pod_is_open)
    @rule(code=CODES, says=st.sampled_from(["", "the same", "other words"]))
    def the_worker_fails(self, code: int, says: str) -> None:
        self.world.worker_exits(code, says=says)

    @precondition(_pod_is_open)
    @rule(code=CODES)
    def the_pod_fails_and_its_job_does_not_say_so_yet(self, code: int) -> None:
        self.world.pod_ends(code)

    @precondition(_pod_is_open)
    @rule()
    def the_pod_is_preempted(self) -> None:
        self.world.pod_ends(137, DisruptionTarget="PreemptionByScheduler")
        self.preempted += 1

    @precondition(_pod_is_open)
    @rule()
    def the_pod_is_deleted_and_its_node_is_out_of_reach(self) -> None:
        self.world.pod["metadata"]["deletionTimestamp"] = self.world.now.isoformat()

    @precondition(_job_is_open)
    @rule(suspended=st.booleans())
    def somebody_else_suspends_or_resumes_the_job(self, suspended: bool) -> None:
        self.world.job["spec"]["suspend"] = suspended

    @precondition(_pod_is_open)
    @rule()
    def the_worker_publishes(self) -> None:
        self.world.worker_publishes()

    @precondition(_pod_is_open)
    @rule(text=st.sampled_from(["", "{}", "nonsense", termination("train"), termination("preprocess", model=MODEL)]))
    def the_worker_ends_without_a_result(self, text: str) -> None:
        self.world.pod_ends(0, text)
        self.world.job_ends("Complete")

    @precondition(_job_is_open)
    @rule()
    def the_job_fails_without_a_pod(self) -> None:
        self.world.pods.clear()
        self.world.job_ends()

    @precondition(lambda self: bool(self.world.pods))
    @rule()
    def a_pod_vanishes(self) -> None:
        self.world.pod_is_deleted()

    @precondition(lambda self: bool(self.world.pods))
    @rule()
    def a_pod_flips_after_a_kubelet_restart(self) -> None:
        self.world.pod["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError"}

    @precondition(lambda self: bool(self.world.created) and self.world.created[-1] in self.world.jobs)
    @rule()
    def a_job_is_deleted(self) -> None:
        del self.world.jobs[self.world.created[-1]]

    # -- what always holds

    @invariant()
    def a_phase_is_one_of_the_known_and_every_condition_is_there(self) -> None:
        status = self.world.status
        if self.world.run.get("status"):
            assert status.phase in Phase
            assert [condition.type for condition in status.conditions] == list(ConditionType)

    @invariant()
    def terminal_is_latched(self) -> None:
        status = self.world.run.get("status")
        if self.terminal is not None:
            assert json.dumps(status, sort_keys=True) == self.terminal
        elif status and self.world.status.is_terminal:
            self.terminal = json.dumps(status, sort_keys=True)

    @invariant()
    def success_has_a_model_and_a_model_means_success(self) -> None:
        status = self.world.status
        assert (status.phase is Phase.SUCCEEDED) == (status.model is not None)
        if status.model is not None:
            assert status.stage is Stage.DONE
            assert status.dataset is not None
            assert status.dataset.digest == DATASET["digest"]

    @invariant()
    def the_three_summaries_agree_with_the_phase(self) -> None:
        if not self.world.run.get("status"):
            return
        phase = self.world.status.phase
        expected = {
            Phase.SUCCEEDED: (ConditionStatus.TRUE, ConditionStatus.TRUE, ConditionStatus.FALSE),
            Phase.FAILED: (ConditionStatus.FALSE, ConditionStatus.FALSE, ConditionStatus.TRUE),
        }.get(phase or Phase.PENDING, (ConditionStatus.UNKNOWN, ConditionStatus.FALSE, ConditionStatus.FALSE))
        kinds = (ConditionType.SUCCEEDED, ConditionType.COMPLETE, ConditionType.FAILED)
        assert tuple(self.world.condition(kind).status for kind in kinds) == expected

    @invariant()
    def the_counters_never_go_back(self) -> None:
        attempts = self.world.status.attempts
        now = (attempts.total, attempts.counted, attempts.disrupted)
        assert all(new >= old for new, old in zip(now, self.last_attempts, strict=True))
        assert attempts.total == attempts.preprocess + attempts.train
        assert attempts.counted + attempts.disrupted <= attempts.total + self.preempted, "each is counted once"
        self.last_attempts = now

    @invariant()
    def at_most_one_job_of_the_run_is_open(self) -> None:
        assert sum(map(is_open, self.world.jobs.values())) <= 1

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


Life.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLife = Life.TestCase


class ShardedLife(Life):
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


class LifeWithDeadlines(Life):
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


LifeWithDeadlines.TestCase.settings = Life.TestCase.settings
TestLifeWithDeadlines = LifeWithDeadlines.TestCase


ShardedLife.TestCase.settings = Life.TestCase.settings
TestShardedLife = ShardedLife.TestCase
