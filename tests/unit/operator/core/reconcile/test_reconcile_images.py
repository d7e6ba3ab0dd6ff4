"""Which images a run's Jobs have, as decisions over plain data."""

from __future__ import annotations

from dataclasses import replace

from tests.support.operator.world import DEFAULTS, World


def test_a_run_keeps_the_image_that_it_started_with() -> None:
    world = World()
    world.visits()
    world.defaults = replace(DEFAULTS, image="registry.example/worker:2")
    world.worker_runs()
    world.worker_publishes()
    world.visits()
    assert images(world) == [DEFAULTS.image, DEFAULTS.image]
    assert world.status.image == DEFAULTS.image
    assert world.status.preprocess_image is None


def images(world: World) -> list[str]:
    return [job["spec"]["template"]["spec"]["containers"][0]["image"] for job in world.jobs.values()]


def test_a_run_keeps_the_image_of_its_preprocess_too() -> None:
    world = World()
    world.defaults = replace(DEFAULTS, preprocess_image="registry.example/slim:1")
    world.visits()
    assert (world.status.image, world.status.preprocess_image) == (DEFAULTS.image, "registry.example/slim:1")
    world.defaults = DEFAULTS
    world.worker_runs()
    world.worker_exits(75)
    world.visits()
    world.waits_for_the_retry()
    world.visits()
    world.worker_runs()
    world.worker_publishes()
    world.visits()
    assert images(world) == ["registry.example/slim:1", "registry.example/slim:1", DEFAULTS.image]


def test_a_run_that_began_before_the_operator_knew_an_image_for_preprocess_has_one_image() -> None:
    world = World()
    world.visits_once()
    world.defaults = replace(DEFAULTS, preprocess_image="registry.example/slim:1")
    world.visits()
    assert images(world) == [DEFAULTS.image]
