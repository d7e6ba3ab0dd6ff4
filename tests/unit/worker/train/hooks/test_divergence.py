"""Weights that became NaN or infinite are found, whatever their type."""

import math
import re

import pytest
import torch

from training.train.hooks.checkpoint import named_tensors
from training.train.hooks.divergence import DivergenceError, is_finite, require_finite

KINDS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
GOOD = [
    torch.tensor(3.4e38),
    torch.full((2, 3), 65504.0, dtype=torch.float16),
    torch.tensor([], dtype=torch.float32),
    torch.tensor(7),
]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_number_among_many_is_found(value: float, kind: torch.dtype) -> None:
    bad = torch.ones(1000, dtype=kind)
    bad[617] = value
    assert not is_finite([*GOOD, bad, torch.ones(3, requires_grad=True)])


def test_the_largest_numbers_and_whole_ones_are_finite() -> None:
    assert is_finite(GOOD)
    assert is_finite([])


def test_the_error_names_a_tensor_and_the_last_good_checkpoint() -> None:
    tensors = {"conv.weight": torch.tensor([1.0, math.nan]), "conv.bias": torch.zeros(2)}
    sentence = (
        "1 of 2 tensors, such as conv.weight, were NaN or infinite after iteration 8, with a finite loss; "
        "lower the learning rate or check the annotations; the last good checkpoint is s3://b/epoch_1.pth."
    )
    with pytest.raises(DivergenceError, match=re.escape(sentence)):
        require_finite(tensors, lambda: "s3://b/epoch_1.pth", iteration=8)
    with pytest.raises(DivergenceError, match="there is no checkpoint yet"):
        require_finite(tensors, lambda: None, iteration=8)
    del tensors["conv.weight"]
    require_finite(tensors, lambda: None, iteration=8)


def test_an_optimizers_moments_are_named_by_their_place() -> None:
    moments = {"step": torch.tensor(1.0), "exp_avg": torch.ones(2)}
    optimizer = {"state": {0: moments}, "param_groups": [{"lr": 0.1, "params": [0], "betas": (0.9, 0.999)}]}
    found = dict(named_tensors({"": {"conv.weight": torch.ones(2)}, "optimizer": optimizer}))
    assert list(found) == ["conv.weight", "optimizer.state.0.step", "optimizer.state.0.exp_avg"]
