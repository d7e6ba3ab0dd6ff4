"""The command line of training.infer, and what it says at the end."""

from pathlib import Path

import pytest

from training.errors import ConfigError
from training.infer.command import parse_options, summary
from training.infer.pipeline import DocumentOutcome, State

BOTH = {"CASCADE_MODEL_PATH": "models/m.pth", "CASCADE_CONFIG_PATH": "models/c.py"}


def test_the_model_and_its_config_come_from_the_two_variables() -> None:
    options = parse_options(["in", "out"], BOTH)
    assert options.model.uri == str(Path("models/m.pth").absolute())
    assert options.config_uri == str(Path("models/c.py").absolute())


def test_the_variables_take_addresses_in_s3() -> None:
    options = parse_options(
        ["in", "out"], {"CASCADE_MODEL_PATH": "s3://b/m.pth", "CASCADE_CONFIG_PATH": "s3://b/other/c.py"}
    )
    assert (options.model.uri, options.config_uri) == ("s3://b/m.pth", "s3://b/other/c.py")


def test_a_model_that_is_named_comes_with_the_config_beside_it_whatever_the_variables_say() -> None:
    options = parse_options(["in", "out", "--model", "s3://b/m.pth"], BOTH)
    assert (options.model.uri, options.config_uri) == ("s3://b/m.pth", None)


def test_the_defaults_are_those_of_preprocess_and_the_documentation() -> None:
    options = parse_options(["in", "out"], BOTH)
    assert (options.device, options.score, options.batch_size, options.render.dpi) == ("auto", 0.3, 1, 120)
    assert (options.copy_pdfs, options.force, options.verbose) == (True, False, False)


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        ([], {}, "No model is named; give --model, or set CASCADE_MODEL_PATH and CASCADE_CONFIG_PATH, both of them"),
        ([], {"CASCADE_MODEL_PATH": "m.pth"}, "No model is named"),
        ([], {"CASCADE_CONFIG_PATH": "c.py", "CASCADE_MODEL_PATH": ""}, "No model is named"),
        (["--score", "1.5"], BOTH, "'1.5' is not a number from 0 to 1"),
        (["--score", "nan"], BOTH, "'nan' is not a number from 0 to 1"),
        (["--score", "half"], BOTH, "'half' is not a number from 0 to 1"),
        (["--batch_size", "0"], BOTH, "'0' is not a whole number of at least 1"),
        (["--dpi", "10"], BOTH, "--dpi is 10; choose 36 to 600"),
        (["--device", "tpu"], BOTH, "invalid choice: 'tpu'"),
        (["--force=perhaps"], BOTH, "'perhaps' is not a boolean"),
        (["--unknown"], BOTH, "--help` lists the options"),
        (["--model", "ftp://host/m.pth"], BOTH, "is no supported address"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_options_are_refused_in_one_sentence(
    arguments: list[str], environ: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_options(["in", "out", *arguments], environ)


def test_the_end_says_how_many_documents_went_which_way() -> None:
    outcomes = [
        DocumentOutcome("a", State.PREDICTED, ""),
        DocumentOutcome("b", State.PREDICTED, ""),
        DocumentOutcome("c", State.UP_TO_DATE, ""),
        DocumentOutcome("d", State.KEPT, ""),
        DocumentOutcome("e", State.FAILED, ""),
    ]
    assert summary(outcomes, "out") == (
        "out: 5 documents, 2 predicted, 1 predicted before, 1 kept as people changed them, 1 failed"
    )
    assert summary(outcomes[:2], "out") == "out: 2 documents, 2 predicted"
