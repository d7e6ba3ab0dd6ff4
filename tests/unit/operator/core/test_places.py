"""Which of several runs that write to one place goes first."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tests.support.operator.fake_operator import Operator
from tests.support.operator.world import DATASET, World, a_run
from trainingrun_operator.core.places import Claim, Places, claim_of
from trainingrun_operator.core.resource.status import Phase
from trainingrun_operator.observation.listing import Key
from trainingrun_operator.observation.store import Store

STARTED = {"startTime": "2026-01-01T12:00:00Z", "phase": "Pending"}


def body(uid: str = "a", created: int = 0, *, status: Any = None, meta: Any = None, **spec: Any) -> dict[str, Any]:
    run = a_run(f"run-{uid}", **spec)
    run["metadata"] |= {"uid": uid, "creationTimestamp": f"2026-01-01T12:00:{created:02}Z", **(meta or {})}
    return {**run, "status": {**STARTED, **(status or {})}}


def places_of(*bodies: dict[str, Any]) -> Places:
    places = Places()
    for each in bodies:
        places.put(each["metadata"]["uid"], claim_of(each))
    return places


def name(claim: Claim | None) -> str | None:
    return None if claim is None else claim.name


BEGUN = {"attempts": {"preprocess": 1}}
TRAINS = {"dataset": DATASET, "attempts": {"preprocess": 1, "train": 1}}
WANTS_TO_TRAIN = {"dataset": DATASET, "attempts": {"preprocess": 1}}


@pytest.mark.parametrize(
    ("run", "stage", "address", "begun"),
    [
        (body(), "preprocess", "s3://tables/datasets/demo", False),
        (body(status=BEGUN), "preprocess", "s3://tables/datasets/demo", True),
        (body(status=WANTS_TO_TRAIN), "train", "s3://tables/models/demo/tables.pth", False),
        (body(status=TRAINS, review={"required": True}), "train", "s3://tables/models/demo/tables.pth", True),
        (body(review={"required": True}), "preprocess", "s3://tables/datasets/demo", False),
        (body(status=TRAINS, suspend=True), "train", "s3://tables/models/demo/tables.pth", True),
    ],
)
def test_a_run_claims_the_place_of_its_stage(run: dict[str, Any], stage: str, address: str, begun: bool) -> None:
    claim = claim_of(run)
    assert claim is not None
    assert (claim.place.stage, claim.place.address, claim.begun) == (stage, address, begun)


@pytest.mark.parametrize(
    "run",
    [
        body(status={"startTime": None}),
        body(suspend=True),
        body(status=WANTS_TO_TRAIN, suspend=True),
        body(status=WANTS_TO_TRAIN, review={"required": True}),
        body(status={**TRAINS, "phase": "Succeeded"}),
        body(status={**BEGUN, "phase": "Failed"}),
        body(status=TRAINS, meta={"deletionTimestamp": "2026-01-01T12:00:00Z"}),
    ],
)
def test_some_runs_claim_nothing(run: dict[str, Any]) -> None:
    assert claim_of(run) is None


@pytest.mark.parametrize(
    ("mine", "other", "waits"),
    [
        (body("b", 1), body("a", 0), True),
        (body("a", 0), body("b", 1), False),
        (body("b", 0), body("a", 0), True),
        (body("a", 0), body("b", 1, status=BEGUN), True),
        (body("a", 0), body("b", 1, status=BEGUN, suspend=True), True),
        (body("b", 1), body("a", 0, dataset={"targetFolder": "datasets/other"}), False),
        (body("b", 1), body("a", 0, storage={"bucket": "other"}), False),
        (body("b", 1), body("a", 0, storage={"endpoint": "http://other.example"}), False),
        (body("b", 1), body("a", 0, storage={"endpoint": "http://s3.example:8333/"}), True),
        (body("b", 1), body("a", 0, meta={"namespace": "elsewhere"}), True),
        (body("b", 1), body("a", 0, status=WANTS_TO_TRAIN), False),
        (body("b", 1, status=WANTS_TO_TRAIN), body("a", 0, status=TRAINS), True),
        (body("b", 1, status=WANTS_TO_TRAIN), body("a", 0), False),
    ],
)
def test_who_waits_for_whom(mine: dict[str, Any], other: dict[str, Any], waits: bool) -> None:
    ahead = places_of(mine, other).ahead_of(mine["metadata"]["uid"])
    assert name(ahead) == (other["metadata"]["name"] if waits else None)


def test_what_is_over_leaves_nothing() -> None:
    places = places_of(body("a"), body("b", 1))
    for uid in "ab":
        places.put(uid, None)
    assert vars(places) == vars(Places())


def test_a_run_whose_job_is_refused_goes_back_into_the_row() -> None:
    places = places_of(body("b", 1))
    places.begin("b", "preprocess")
    places.put("a", claim_of(body("a", 0)))
    assert name(places.ahead_of("a")) == "run-b"
    places.withdraw("b")
    assert places.ahead_of("a") is None


def test_a_job_of_an_earlier_stage_begins_nothing() -> None:
    places = places_of(body("b", 1, status=WANTS_TO_TRAIN), body("a", 0, status=WANTS_TO_TRAIN))
    places.begin("b", "preprocess")
    assert places.ahead_of("a") is None


def test_a_run_that_waits_says_for_whom() -> None:
    world = World()
    world.ahead = claim_of(body("z", status=BEGUN))
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.PENDING, "WaitingForRun")
    assert world.message == "preprocess waits for run demo/run-z, which prepares s3://tables/datasets/demo"
    assert world.created == []
    world.ahead = claim_of(body("z", status=BEGUN, suspend=True))
    world.visits()
    assert world.message.endswith("and is suspended: resume or delete it")
    world.ahead = None
    world.visits()
    assert len(world.created) == 1


def test_a_training_that_waits_is_queued() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.worker_publishes()
    world.ahead = claim_of(body("z", status=TRAINS))
    world.visits()
    assert (world.status.phase, world.reason) == (Phase.QUEUED, "WaitingForRun")
    assert world.message == "train waits for run demo/run-z, which trains s3://tables/models/demo/tables.pth"


def test_a_run_that_has_begun_waits_for_nobody() -> None:
    world = World()
    world.visits()
    world.worker_runs()
    world.worker_exits(75)
    world.ahead = claim_of(body("z", status=BEGUN))
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    assert len(world.created) == 2


async def test_no_other_run_begins_while_a_job_is_being_made() -> None:
    operator = Operator()
    await operator.visits()
    others = body("0", meta={"creationTimestamp": "2025-01-01T00:00:00Z"}, suspend=True)
    operator.store.observe_run(others)
    create = operator.cluster.create_job

    async def meanwhile(manifest: dict[str, Any]) -> dict[str, Any]:
        others["spec"]["suspend"] = False
        others["metadata"]["resourceVersion"] = "9"
        operator.store.observe_run(others)
        assert name(operator.store.places.ahead_of("0")) == "tables"
        return await create(manifest)

    operator.cluster.create_job = meanwhile  # type: ignore[method-assign]
    await operator.visits()
    assert len(operator.world.created) == 1


class Many:
    """Runs over a store, each with a world of its own, and who was woken."""

    def __init__(self, specs: list[tuple[int, int, int]]) -> None:
        self.woken: set[Key] = set()
        self.store = Store(wake=self.woken.add)
        self.worlds: list[World] = []
        for number, (created, folder, model) in enumerate(specs):
            world = World(
                dataset={"targetFolder": f"datasets/{folder}"},
                training={"modelOutput": f"s3://tables/{model}.pth"},
            )
            world.run["metadata"] |= {
                "name": f"run-{number}",
                "uid": f"uid-{number}",
                "creationTimestamp": f"2026-01-01T12:00:{created:02}Z",
            }
            self.worlds.append(world)
            self.shows(world)
        self.version = 1

    def shows(self, world: World) -> None:
        version = int(world.run["metadata"]["resourceVersion"]) + 1
        world.run["metadata"]["resourceVersion"] = str(version)
        self.store.observe_run(world.run)

    def visits(self, number: int) -> None:
        world = self.worlds[number]
        for _ in range(4):
            world.ahead = self.store.places.ahead_of(world.run["metadata"]["uid"])
            world.visits_once()
            self.shows(world)

    def is_at_work(self, number: int) -> bool:
        world = self.worlds[number]
        return bool(world.created) and "status" not in world.job

    def works(self, number: int, *, fails: bool) -> None:
        world = self.worlds[number]
        world.worker_runs()
        if fails:
            world.worker_exits(65)
        else:
            world.worker_publishes()

    def places_at_work(self) -> list[tuple[str, str]]:
        at_work = [world for number, world in enumerate(self.worlds) if self.is_at_work(number)]
        claims = [claim_of(world.run) for world in at_work]
        return [(str(claim.place.stage), claim.place.address) for claim in claims if claim is not None]


SPECS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=5)
STEPS = st.lists(
    st.tuples(st.sampled_from(["visit", "work", "fail", "suspend", "resume"]), st.integers(0, 4)), max_size=25
)


@settings(max_examples=60)
@given(SPECS, STEPS)
def test_whatever_happens_no_place_has_two_runs_at_work_and_all_come_to_their_end(
    specs: list[tuple[int, int, int]], steps: list[tuple[str, int]]
) -> None:
    many = Many(specs)
    for what, which in steps:
        number = which % len(specs)
        if what == "visit":
            many.visits(number)
        elif what in ("work", "fail") and many.is_at_work(number):
            many.works(number, fails=what == "fail")
        elif what in ("suspend", "resume") and not many.worlds[number].status.is_terminal:
            many.worlds[number].changes_spec(suspend=what == "suspend")
            many.shows(many.worlds[number])
        at_work = many.places_at_work()
        assert len(at_work) == len(set(at_work))
    for world in many.worlds:
        world.changes_spec(suspend=False)
        many.shows(world)
    for number in range(len(specs)):
        many.visits(number)
    for _ in range(4 * len(specs)):
        # Nobody else is visited but who is told that something has changed.
        while many.woken:
            many.visits(int(many.woken.pop().name.removeprefix("run-")))
        at_work = many.places_at_work()
        assert len(at_work) == len(set(at_work))
        due = [number for number in range(len(specs)) if many.is_at_work(number)]
        if not due:
            break
        many.works(due[0], fails=False)
        many.visits(due[0])
    assert all(world.status.is_terminal for world in many.worlds), "somebody could always go on"
