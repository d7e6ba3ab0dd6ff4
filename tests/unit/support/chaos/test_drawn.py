"""Scripts and schedule of `make chaos` are drawn from the seed, and the scripts say what comes of them."""

from __future__ import annotations

import json
from itertools import islice

from tests.support.chaos.schedule import What, acts
from tests.support.chaos.scripts import PERMANENT, PREPROCESS, TRAIN, write_scripts


def test_the_same_seed_draws_the_same_and_another_seed_another() -> None:
    assert write_scripts(1, 50, 5.0) == write_scripts(1, 50, 5.0) != write_scripts(2, 50, 5.0)
    one, again, another = (list(islice(acts(seed, 5.0), 50)) for seed in (1, 1, 2))
    assert one == again != another


def test_everything_happens_within_sixty_acts() -> None:
    assert {act.what for act in islice(acts(3, 60.0), 60)} == set(What) - {What.NOTHING}


def test_runs_of_every_fate_are_written() -> None:
    scripts = write_scripts(1, 200, 60.0)
    assert {script.reason for script in scripts} == {"", "RetryLimitReached", *PERMANENT.values()}
    assert 100 < sum(script.phase == "Succeeded" for script in scripts) < 180
    assert 20 < sum(script.reports for script in scripts) < 80
    assert all(0.0 <= script.created_at_s <= 45 * 60 for script in scripts)


def test_a_run_that_succeeds_publishes_after_its_endings_and_one_that_fails_never_does() -> None:
    for script in write_scripts(2, 200, 5.0):
        for stage in (PREPROCESS, TRAIN):
            endings = [script.ending(stage, number) for number in range(5)]
            said = [json.loads(script.message(stage, ending) or "{}").get("result") for ending in endings]
            fails_here = bool(script.reason) and stage == script.fails_in
            assert said[-1] == ("failed" if fails_here else "succeeded")
            assert endings[: len(script.endings[stage])] == list(script.endings[stage])
