"""What the workers are called with; the golden files of the Jobs hold the command lines as a whole."""

from __future__ import annotations

import pytest

from tests.support.operator.world import a_run
from trainingrun_operator.core.jobs.commands import checkpoint_prefix, train_command
from trainingrun_operator.core.resource.run import Run


@pytest.mark.parametrize(
    ("output", "prefix"),
    [
        ("s3://b/models/demo/m.pth", "s3://b/models/demo/checkpoints/tables-UID/"),
        ("s3://b/m.pth", "s3://b/checkpoints/tables-UID/"),
    ],
)
def test_checkpoints_go_beside_the_model_in_a_folder_of_the_run(output: str, prefix: str) -> None:
    body = a_run(training={"modelOutput": output})
    body["metadata"]["uid"] = "UID"
    assert checkpoint_prefix(Run.parse(body)) == prefix


@pytest.mark.parametrize(
    ("training", "there", "absent"),
    [
        ({"gpusPerNode": 4}, "--device cuda --processes 4 --publish last", ("--amp",)),
        ({"gpusPerNode": 4, "device": "cpu"}, "--device cpu --publish last", ("--processes", "--amp")),
        ({"amp": "bf16", "publish": "best"}, "--device cuda --processes 1 --amp bf16 --publish best", ()),
    ],
)
def test_a_training_is_told_which_device_it_must_have(
    training: dict[str, object], there: str, absent: tuple[str, ...]
) -> None:
    command = train_command(Run.parse(a_run(training=training)), "auto")
    assert f" {there} " in " ".join(command)
    assert not set(absent) & set(command)
