"""The command line of training, as people write it."""

from pathlib import Path

import pytest

from training.errors import ConfigError
from training.train.command import parse_options

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
    assert options.publish == "last"


def test_every_option_is_heard() -> None:
    options = parse_options(
        [
            *REQUIRED,
            *("--load-from", "s3://b/base.pth", "--resume-from", "auto", "--config", "mine.py", "--num-epoch", "3"),
            *("--demo", "True", "--checkpoint-output", "s3://b/c", "--seed", "5"),
            *("--publish", "best", "--cfg-options", "a.b=1", "c=[1,2]"),
        ]
    )
    assert (options.load_from, options.resume_from, options.config) == ("s3://b/base.pth", "auto", "mine.py")
    assert (options.epochs, options.demo, options.checkpoint_output, options.seed) == (3, True, "s3://b/c", 5)
    assert options.config_options == ("a.b=1", "c=[1,2]")
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
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], part: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_options(arguments)
    assert part in str(refused.value)
