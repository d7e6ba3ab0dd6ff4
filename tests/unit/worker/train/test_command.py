"""The command line of training, as people write it."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.gpus import L4
from training.device.device import Device
from training.device.gpu_facts import Gpu
from training.errors import ConfigError
from training.train import command
from training.train.command import choose_device, parse_options, set_process_defaults

REQUIRED = ("data/ttv", "work", "--model_output", "s3://bucket/m.pth")


def test_little_has_to_be_said() -> None:
    options = parse_options(REQUIRED)
    assert options.dataset == "data/ttv"
    assert options.work_dir == Path("work").absolute()
    assert options.config == "config_3_cls_w18.py"
    assert options.checkpoint_output == str(Path("work").absolute() / "checkpoints")
    assert options.demo is False
    assert options.epochs is None
    assert options.load_from is None
    assert options.resume_from is None
    assert options.seed == 0
    assert (options.device, options.processes) == ("auto", None)
    assert options.amp == "off"
    assert options.publish == "last"


def test_every_option_is_heard() -> None:
    options = parse_options(
        [
            *REQUIRED,
            *("--load-from", "s3://b/base.pth", "--resume-from", "auto", "--config", "mine.py", "--num-epoch", "3"),
            *("--demo", "True", "--checkpoint-output", "s3://b/c", "--seed", "5"),
            *("--device", "cuda", "--processes", "4", "--amp", "bf16"),
            *("--publish", "best", "--cfg-options", "a.b=1", "c=[1,2]"),
        ]
    )
    assert (options.load_from, options.resume_from, options.config) == ("s3://b/base.pth", "auto", "mine.py")
    assert (options.epochs, options.demo, options.checkpoint_output, options.seed) == (3, True, "s3://b/c", 5)
    assert options.amp == "bf16"
    assert options.config_options == ("a.b=1", "c=[1,2]")
    assert (options.device, options.processes) == ("cuda", 4)
    assert options.publish == "best"


@pytest.mark.parametrize("demo", [("--demo",), ("--demo", "true"), ("--demo=True",)])
def test_a_demo_can_be_asked_for_in_several_ways(demo: tuple[str, ...]) -> None:
    assert parse_options([*REQUIRED, *demo]).demo is True
    assert parse_options([*REQUIRED, "--demo", "False"]).demo is False


def test_an_option_left_empty_counts_as_not_given() -> None:
    options = parse_options([*REQUIRED, "--load-from", "", "--resume-from", "", "--config", ""])
    assert (options.load_from, options.resume_from, options.config) == (None, None, "config_3_cls_w18.py")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (REQUIRED[:2], "--model_output"),
        (REQUIRED[2:], "dataset"),
        ((*REQUIRED, "--num-epoch", "0"), "whole number"),
        ((*REQUIRED, "--demo", "perhaps"), "boolean"),
        ((*REQUIRED, "--seed", "-1"), "--seed -1"),
        ((*REQUIRED, "--cfg-options", "x"), "name=value"),
        ((*REQUIRED, "--publish", "newest"), "--publish"),
        ((*REQUIRED, "--publish", "best", "--keep-best", "0"), "--publish best needs --keep-best of at least 1"),
        ((*REQUIRED, "--epochs", "3"), "--epochs"),
        ((*REQUIRED, "--device", "gpu"), "--device"),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], part: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_options(arguments)
    assert part in str(refused.value)


NODE = {"TRAINING_NODES": "2", "JOB_COMPLETION_INDEX": "1", "MASTER_ADDR": "first"}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("arguments", "environ", "asked", "expected"),
    [
        (("--device", "cuda"), {}, None, (2, 2)),
        (("--device", "cuda", "--processes", "2"), {}, 2, (2, 2)),
        (("--device", "cuda", "--processes", "2"), NODE, 2, (2, 4)),
        (("--device", "cuda"), TORCHRUN, 2, (2, 4)),
        (("--device", "cpu"), {}, None, (0, 1)),
        (("--processes", "3"), {}, 3, (0, 3)),
        (("--device", "cpu"), NODE, None, (0, 2)),
    ],
)
def test_each_gpu_that_is_found_gets_a_rank(
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    environ: Mapping[str, str],
    asked: int | None,
    expected: tuple[int, int],
) -> None:
    def choose_gpus(_device: str, *, asked: int | None) -> tuple[Gpu, ...]:
        asked_for.append(asked)
        return (L4,) * found

    found, ranks = expected
    asked_for: list[int | None] = []
    monkeypatch.setattr(command, "choose_gpus", choose_gpus)
    device, topology = choose_device(parse_options([*REQUIRED, *arguments]), environ)
    assert asked_for == [asked]
    assert topology.ranks == ranks
    assert device == Device.of((L4,) * found, ranks=ranks)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}),
        ({"PYTORCH_ALLOC_CONF": "backend:native"}, {"PYTORCH_ALLOC_CONF": "backend:native"}),
        ({"PYTORCH_CUDA_ALLOC_CONF": "backend:native"}, {"PYTORCH_CUDA_ALLOC_CONF": "backend:native"}),
    ],
)
def test_memory_is_allocated_without_gaps_unless_the_environment_says_how(
    monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    monkeypatch.setattr(os, "environ", dict(given))
    set_process_defaults(Path("work"), Device.of((L4,), ranks=1))
    assert {name: value for name, value in os.environ.items() if "ALLOC" in name} == expected
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_training_on_the_cpu_sees_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"CUDA_VISIBLE_DEVICES": "0"})
    set_process_defaults(Path("work"), Device.of((), ranks=1))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
