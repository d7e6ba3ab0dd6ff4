"""Which attempt a run is in, and by which names its Jobs are found."""

from __future__ import annotations

from tests.support.operator.world import World
from trainingrun_operator.core.attempt import awaited_job, job_of_attempt, relevant_jobs
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import MAX_JOBS, Stage


def results(world: World) -> list[tuple[str, int, str]]:
    return [(job.stage, job.attempt, job.result) for job in world.status.jobs]


def test_the_status_tells_of_each_job_and_what_came_of_it() -> None:
    world = World()
    world.visits()
    assert results(world) == [("preprocess", 1, "")]
    assert world.status.jobs[0].name == world.created[0]
    world.worker_runs()
    world.worker_exits(75)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    world.worker_runs()
    world.worker_publishes()
    world.visits()
    assert results(world) == [("preprocess", 1, "Transient"), ("preprocess", 2, "Succeeded"), ("train", 1, "")]
    world.worker_runs()
    world.worker_publishes()
    world.visits()
    assert results(world)[-1] == ("train", 1, "Succeeded")
    assert [job.name for job in world.status.jobs] == world.created


def test_a_job_is_found_by_the_name_that_it_was_made_with() -> None:
    """An operator of another version may name Jobs in another way."""
    world = World()
    world.visits()
    job = world.jobs.pop(world.created[0])
    job["metadata"]["name"] = world.created[0] = "named-long-ago"
    world.jobs["named-long-ago"] = job
    world.run["status"]["jobs"][0]["name"] = "named-long-ago"
    run = Run.parse(world.run)
    assert relevant_jobs(run) == ("named-long-ago",)
    assert awaited_job(run) == "named-long-ago"
    assert job_of_attempt(run, Stage.PREPROCESS, 2).startswith("tables-preprocess-2-")
    world.worker_runs()
    world.visits()
    assert world.status.phase == "Preprocessing"
    assert world.created == ["named-long-ago"], "no second Job is made"


def test_of_many_attempts_the_newest_jobs_are_told() -> None:
    world = World(retry={"limit": 100})
    for _ in range(MAX_JOBS + 3):
        world.visits()
        world.worker_runs()
        world.worker_exits(1, says=f"another reason each time, at {world.now}")
        world.visits()
        world.waits_for_the_retry()
    assert [job.attempt for job in world.status.jobs] == list(range(4, MAX_JOBS + 4))
