"""What the gateway decides before anything is written; the integration tests have it behind TLS with real tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
from aiohttp import web

from tests.support.operator.fake_cluster import FakeCluster
from tests.support.operator.world import START, UID, World
from trainingrun_operator.endpoints.gateway import Gateway
from trainingrun_operator.endpoints.tokens import Bearer, TokenVerifier
from trainingrun_operator.observation.store import Store
from trainingrun_operator.progress_writer import ProgressWriter


class Verifier:
    """Believes every token, which is the name of its pod."""

    def __init__(self, audience: str) -> None:
        self.audience = audience

    async def verify(self, token: str) -> Bearer:
        return Bearer(namespace="demo", pod_name=token, pod_uid=f"uid-of-{token}", audiences=(self.audience,))


@dataclass
class Request:
    """As much of aiohttp's as the gateway reads."""

    pod: str
    body: bytes
    while_the_body_comes: Callable[[], None]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.pod}"}

    @property
    def match_info(self) -> dict[str, str]:
        return {"namespace": "demo", "name": "tables"}

    async def read(self) -> bytes:
        self.while_the_body_comes()
        return self.body


class Door:
    """A gateway, and the run whose preprocess pod works."""

    def __init__(self, *, pods: int = 1) -> None:
        self.world, self.store = World(dataset={"parallelism": pods}), Store()
        self.world.visits()
        self.store.observe_run(self.world.run)
        self.store.observe_job(self.world.job)
        for _ in range(pods):
            self.world.worker_runs()
            self.store.observe_pod(self.world.pod)
        self.pod: str = self.world.pod["metadata"]["name"]
        self.sequence, self.leads = 0, True
        self.writer = writer = ProgressWriter(
            FakeCluster(self.world), self.store, interval=timedelta(0), clock=lambda: 0.0, now=lambda: START
        )
        verifier = Verifier(f"trainingrun.badgerdoc.dev/demo/tables/{UID}/preprocess/1")
        self.gateway = Gateway(
            self.store, writer, cast(TokenVerifier, verifier), leads=lambda: self.leads, clock=lambda: 0.0
        )

    async def posts(self, pod: str, *, while_the_body_comes: Callable[[], None] = lambda: None, **fields: Any) -> int:
        self.sequence += 1
        body = {"attempt": 1, "sequence": self.sequence, "stage": "preprocess", **fields}
        request = Request(pod, json.dumps(body).encode(), while_the_body_comes)
        return (await self.gateway._progress(cast(web.Request, request))).status


@pytest.fixture
def door() -> Door:
    return Door()


async def test_a_run_that_is_flooded_by_its_own_pod_says_so(door: Door) -> None:
    answers = [await door.posts(door.pod) for _ in range(20)]
    assert (answers[0], answers[-1]) == (204, 429)


async def test_an_operator_that_is_not_certain_to_lead_takes_nothing_and_says_try_again(door: Door) -> None:
    door.leads = False
    assert await door.posts(door.pod) == 503
    door.leads = True
    assert await door.posts(door.pod) == 204


async def test_a_pod_that_is_not_the_runs_uses_up_nothing_of_it(door: Door) -> None:
    stranger = door.world.pod_appears()
    stranger["metadata"]["ownerReferences"] = [{"uid": "another-job", "controller": True}]
    door.store.observe_pod(stranger)
    assert {await door.posts(stranger["metadata"]["name"]) for _ in range(20)} == {403}
    assert {await door.posts("never-seen") for _ in range(20)} == {503}
    assert await door.posts(door.pod) == 204


async def test_a_report_is_judged_by_the_run_as_it_is_when_the_body_has_come(door: Door) -> None:
    def the_run_ends() -> None:
        door.world.worker_exits(65)
        door.world.visits()
        door.store.observe_run(door.world.run)

    assert await door.posts(door.pod, while_the_body_comes=the_run_ends) == 409


@pytest.mark.parametrize(
    ("pods", "shard", "answer"),
    [
        (1, None, 204),
        (1, {"index": 0, "of": 1}, 422),
        (3, None, 204),
        (3, {"index": 1, "of": 3}, 204),
        (3, {"index": 2, "of": 3}, 422),
        (3, {"index": 1, "of": 4}, 422),
    ],
)
async def test_a_pod_reports_for_its_own_shard_alone(pods: int, shard: dict[str, int] | None, answer: int) -> None:
    door = Door(pods=pods)
    pod = list(door.world.pods)[-1 if pods == 1 else 1]
    assert await door.posts(pod, shard=shard) == answer


async def test_of_each_shard_the_newest_pod_is_heard_and_others_shards_stay() -> None:
    door = Door(pods=2)
    first, second = door.world.pods
    assert await door.posts(first) == 204
    assert await door.posts(second) == 204
    door.world.pod_ends(137, pod=door.world.pods[first])
    door.world.worker_runs(index=0)
    door.store.observe_pod(door.world.pod)
    again = door.world.pod["metadata"]["name"]
    assert await door.posts(again) == 204
    assert await door.posts(first) == 409, "what a replaced pod says"
    assert await door.posts(second) == 204, "an older pod, and the newest of its shard"


async def test_the_token_of_a_pod_that_is_gone_is_refused(door: Door) -> None:
    assert await door.posts(door.pod) == 204
    door.store.observe_pod(door.world.pod, deleted=True)
    assert await door.posts(door.pod) == 403
    assert await door.posts(door.pod, final=True) == 403


async def test_a_pod_that_has_ended_may_send_its_final_report_alone(door: Door) -> None:
    door.world.pod_ends(137)
    door.store.observe_pod(door.world.pod)
    assert await door.posts(door.pod) == 409
    assert await door.posts(door.pod, final=True) == 204
