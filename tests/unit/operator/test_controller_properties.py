"""What holds whatever watches lose, whichever calls fail, and wherever the operator dies: store, controller, lists and
progress writer over an API server that misbehaves.
"""

from __future__ import annotations

import copy
from collections.abc import Coroutine
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, precondition, rule

from tests.support.operator.fake_cluster import FakeCluster, Object, OperatorKilled
from tests.support.operator.fake_operator import KEY, Operator
from tests.support.operator.life_machine import Life, is_open
from tests.support.operator.reports import point, report
from tests.support.operator.world import MODEL, START
from trainingrun_operator.core.errors import ClusterError, ConflictError, RefusedError, TransientError
from trainingrun_operator.core.names import ANNOTATION_SUSPEND, LABEL_RUN_UID, LABEL_STAGE, RUN_KINDS, Kind
from trainingrun_operator.core.observed import view_pod
from trainingrun_operator.core.progress.termination import read_termination_message
from trainingrun_operator.core.resource.status import Phase, Stage
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.queue import FIRST_BACKOFF_S, MAX_BACKOFF_S

T = TypeVar("T")
WRITES = ("create_job", "set_suspend", "apply_status", "apply_progress")
READS = ("get_job", "get_pod", "list_pods", "list_trainingruns", "list_jobs", "dry_run")
FAULTS = st.sampled_from(
    [TransientError("429"), TransientError("500"), TransientError("timed out"), ConflictError("409"), OperatorKilled()]
)
RELIST_S = 300.0
STEPS_TO_THE_END = 80


def done(coroutine: Coroutine[Any, Any, T]) -> T:
    """The answer of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        answer: T = stop.value
        return answer
    raise AssertionError("it waits")


class WatchedLife(Life):
    """A run as a whole operator sees it: by watches that shuffle, repeat and lose, and by lists that may lag."""

    def __init__(self) -> None:
        super().__init__()
        self.operator = Operator(self.world)
        self.cluster: FakeCluster = self.operator.cluster
        self.cluster.meanwhile = self._meanwhile
        self.published: dict[str, Object] = {kind.value: {} for kind in RUN_KINDS}
        self.pending: list[tuple[Kind, Object, bool]] = []
        self.cached = self.cluster.snapshot()
        self.delivers_meanwhile = 0
        self.due_at_s: float | None = 0.0
        self.failed_visits = 0
        self.listed_at_s = 0.0
        self.checkpoints = 0
        self.newest_point = 0

    # -- the API server

    @invariant()
    def what_has_changed_is_on_its_way(self) -> None:
        """Not an invariant: what the API server does after each step."""
        for kind in RUN_KINDS:
            stored = {body["metadata"]["uid"]: body for body in self.cluster.stored(kind)}
            known = self.published[kind.value]
            for uid, body in stored.items():
                if known.get(uid) != body:
                    self.pending.append((kind, copy.deepcopy(body), False))
            for uid in set(known) - set(stored):
                self.cluster.version += 1
                known[uid]["metadata"]["resourceVersion"] = str(self.cluster.version)
                self.pending.append((kind, known[uid], True))
            self.published[kind.value] = copy.deepcopy(stored)

    def _deliver(self, position: int, *, keep: bool = False) -> None:
        if not self.pending:
            return
        kind, body, deleted = self.pending[position % len(self.pending)]
        if not keep:
            del self.pending[position % len(self.pending)]
        observe = {
            Kind.RUN: self.operator.store.observe_run,
            Kind.JOB: self.operator.store.observe_job,
            Kind.POD: self.operator.store.observe_pod,
        }[kind]
        self._enqueue(observe(body, deleted=deleted))

    def _meanwhile(self) -> None:
        for _ in range(self.delivers_meanwhile):
            self._deliver(0)

    @precondition(lambda self: bool(self.pending))
    @rule(position=st.integers(0, 20), repeats=st.booleans())
    def a_watch_tells_of_something_perhaps_not_for_the_last_time(self, position: int, repeats: bool) -> None:
        self._deliver(position, keep=repeats)

    @precondition(lambda self: bool(self.pending))
    @rule()
    def the_watches_catch_up(self) -> None:
        while self.pending:
            self._deliver(0)

    @precondition(lambda self: bool(self.pending))
    @rule()
    def the_watches_lose_all_that_is_on_its_way(self) -> None:
        self.pending.clear()

    @rule()
    def the_cache_of_the_api_server_catches_up(self) -> None:
        self.cached = self.cluster.snapshot()

    @rule(call=st.sampled_from(WRITES + READS), fault=FAULTS, takes_effect=st.booleans())
    def a_call_will_fail(self, call: str, fault: ClusterError | OperatorKilled, takes_effect: bool) -> None:
        faults = self.cluster.lost_answers if takes_effect and call in WRITES else self.cluster.faults
        faults.setdefault(call, [])[:] = [fault]

    @rule()
    def the_next_job_will_be_refused_for_now(self) -> None:
        self.cluster.faults["create_job"] = [RefusedError("exceeded quota")]

    # -- the operator

    def _enqueue(self, key: Key | None, delay_s: float = 0.0) -> None:
        if key is not None:
            due_s = self.operator.clock_s + delay_s
            self.due_at_s = due_s if self.due_at_s is None else min(self.due_at_s, due_s)

    def _restart(self) -> None:
        self.pending.clear()
        self.operator.begins_anew()
        self.failed_visits = 0
        self.due_at_s = self.operator.clock_s
        try:
            done(self.operator.relister(self._enqueue).first())
        except OperatorKilled:
            self._restart()
        self.listed_at_s = self.operator.clock_s

    def _list(self) -> bool:
        try:
            succeeded = done(self.operator.relister(self._enqueue).round())
        except OperatorKilled:
            self._restart()
            return True
        self.listed_at_s = self.operator.clock_s
        return succeeded

    @rule(lags=st.booleans())
    def the_operator_lists(self, lags: bool) -> None:
        self.cluster.cache = self.cached if lags else None
        self._list()
        self.cluster.cache = None

    @rule(lags=st.booleans())
    def the_operator_restarts(self, lags: bool) -> None:
        self.cluster.cache = self.cached if lags else None
        self._restart()
        self.cluster.cache = None

    @rule(delivers_meanwhile=st.integers(0, 2))
    def the_operator_visits(self, delivers_meanwhile: int) -> None:
        self.delivers_meanwhile = delivers_meanwhile
        self._visit()
        self.delivers_meanwhile = 0

    def _visit(self) -> None:
        self.due_at_s = None
        try:
            again_s = done(self.operator.controller.visit(KEY))
        except OperatorKilled:
            self._restart()
        except ClusterError:
            self._enqueue(KEY, min(FIRST_BACKOFF_S * 2**self.failed_visits, MAX_BACKOFF_S))
            self.failed_visits += 1
        else:
            self.failed_visits = 0
            if again_s is not None:
                self._enqueue(KEY, again_s)

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        """What else would be rare in a life this short: that it comes to training."""
        self.the_watches_catch_up()
        self._operator_comes_to_rest()
        self._worker_does_its_part()

    # -- the worker's reports

    @precondition(lambda self: self._pod_is_open() and self.world.pod["status"]["phase"] == "Running")
    @rule(steps=st.integers(0, 2), tells_of_checkpoints=st.booleans())
    def the_worker_trains_and_reports(self, steps: int, tells_of_checkpoints: bool) -> None:
        labels = self.world.pod["metadata"]["labels"]
        run = self.operator.store.run(KEY)
        pod = self.operator.store.pod(self.world.pod["metadata"]["uid"])
        if run is None or pod is None or labels["training.badgerdoc.dev/stage"] != "train":
            return
        self.checkpoints += steps
        attempt = int(labels["training.badgerdoc.dev/attempt"])
        if (run.status.current_stage, run.status.attempts.train) != (Stage.TRAIN, attempt):
            return  # as the gateway refuses it
        points = [point(epoch) for epoch in range(max(1, self.checkpoints - 2), self.checkpoints + 1)]
        sequence = int((self.world.now - START).total_seconds()) + len(self.cluster.calls)
        told = report(attempt=attempt, sequence=sequence, resumePoints=points if tells_of_checkpoints else [])
        self.operator.writer.take(run, told, pod.uid, from_newest_pod=True)

    @rule()
    def the_progress_is_written(self) -> None:
        try:
            done(self.operator.writer._visit(KEY))
        except OperatorKilled:
            self._restart()
        except ClusterError:
            pass

    @rule(seconds=st.sampled_from([1, 15, 700]))
    def time_passes(self, seconds: int) -> None:
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        self.world.waits(seconds)
        self.operator.clock_s += seconds

    # -- people

    @precondition(lambda self: bool(self.world.created) and self.world.created[-1] in self.world.jobs)
    @rule()
    def somebody_takes_the_label_off_the_job(self) -> None:
        self.world.job["metadata"]["labels"].pop(LABEL_RUN_UID, None)

    # -- what always holds

    @invariant()
    def no_two_attempts_of_a_stage_have_pods_at_work(self) -> None:
        for stage in Stage:
            pods = [pod for pod in self._active_pods() if pod["metadata"]["labels"][LABEL_STAGE] == stage]
            assert len({pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods}) <= 1

    @invariant()
    def resume_points_never_go_back(self) -> None:
        newest = max((each.iteration for each in self.world.status.resume_points), default=0)
        assert newest >= self.newest_point
        self.newest_point = newest

    def _active_pods(self) -> list[Object]:
        return [pod for pod in self.world.pods.values() if pod["status"]["phase"] in ("Pending", "Running")]

    # -- the end, once everything is quiet

    def teardown(self) -> None:
        self.cluster.faults.clear()
        self.cluster.lost_answers.clear()
        self.cluster.cache = None
        trained = self._model_to_see()
        assert self._list()
        for _ in range(STEPS_TO_THE_END):
            self._cluster_does_its_part()
            self.what_has_changed_is_on_its_way()
            self.the_watches_catch_up()
            self._operator_comes_to_rest()
            self._holds_now()
            if self.world.status.is_terminal:
                break
            self._worker_does_its_part()
            if self.due_at_s is not None:
                self._pass(max(0.0, self.due_at_s - self.operator.clock_s))
        assert self.world.status.is_terminal, f"forgotten as {self.world.status.phase}: {self.world.message}"
        if trained and not self.was_failed:
            assert self.world.status.phase is Phase.SUCCEEDED
        self._cluster_does_its_part()
        assert not [job for job in self.world.jobs.values() if is_open(job) and not job["spec"].get("suspend")]

    def _model_to_see(self) -> bool:
        """Whether a pod's termination message tells of a model that nobody has taken away."""
        self.was_failed = self.world.status.phase is Phase.FAILED
        messages = [read_termination_message(view_pod(pod).terminated_message) for pod in self.world.pods.values()]
        return any(message and message.model and message.model.uri == MODEL["uri"] for message in messages)

    def _cluster_does_its_part(self) -> None:
        """The Job controller concludes, what was deleted ends, and no pod outlives its Job."""
        self.world.changes_spec(suspend=False, retry={"limit": 5})
        uids = {job["metadata"]["uid"] for job in self.world.jobs.values() if is_open(job)}
        for name, pod in list(self.world.pods.items()):
            is_left = pod["metadata"]["ownerReferences"][0]["uid"] not in uids
            if (is_left or "deletionTimestamp" in pod["metadata"]) and pod in self._active_pods():
                self.world.gone[name] = self.world.pods.pop(name)
        if not self._job_is_open() or self._pod_is_open():
            return
        job = self.world.job
        mine = [view_pod(pod) for pod in self.world.pods.values()]
        mine = [pod for pod in mine if pod.owner_uid == job["metadata"]["uid"] and pod.terminal]
        if any(pod.phase == "Succeeded" for pod in mine):
            self.world.job_ends("Complete", "CompletionsReached")
        elif any(pod.exit_code is None or not pod.disruption for pod in mine):
            self.world.job_ends()

    def _worker_does_its_part(self) -> None:
        if not self._job_is_open():
            return
        job = self.world.job
        if job["spec"].get("suspend") and job["metadata"].get("annotations", {}).get(ANNOTATION_SUSPEND) != "true":
            job["spec"]["suspend"] = False  # whoever else suspended it, resumes it
        if job["spec"].get("suspend"):
            return
        if self._pod_is_open():
            self.world.worker_publishes()
        else:
            self.world.worker_runs()

    def _operator_comes_to_rest(self) -> None:
        """Visits whenever one is due, until nothing is for a while."""
        for _ in range(40):
            if self.operator.clock_s - self.listed_at_s >= RELIST_S:
                self._list()
            if self.world.status.is_terminal or (self.due_at_s or 0.0) > self.operator.clock_s + 20.0:
                break
            assert self.due_at_s is not None, f"nobody will look at it again: {self.world.status.phase}"
            self._pass(max(0.0, self.due_at_s - self.operator.clock_s))
            self._visit()
            self.what_has_changed_is_on_its_way()
            self.the_watches_catch_up()
        else:
            raise AssertionError("the operator does not come to rest")

    def _holds_now(self) -> None:
        """The status says what the pods do."""
        if self._pod_is_open() and not self.world.job["spec"].get("suspend"):
            running = self.world.pod["status"]["phase"] == "Running"
            deleted = "deletionTimestamp" in self.world.pod["metadata"]
            if running and not deleted and self.world.status.phase is not Phase.SUCCEEDED:
                assert self.world.status.phase in (Phase.PREPROCESSING, Phase.TRAINING), self.world.message


# The same lives each time: shrinking one that fails takes minutes, so new ones are looked for by hand, without
# `derandomize` and with thousands of examples.
WatchedLife.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestWatchedLife = WatchedLife.TestCase
