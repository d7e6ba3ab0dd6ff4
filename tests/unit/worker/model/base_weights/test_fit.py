"""How much of a network weights fill, and what is too little to start from."""

import pytest
import torch

from training.errors import ConfigError
from training.model.base_weights.fit import Share, fit
from training.model.weights import state_of

NETWORK = {
    **{f"backbone.conv{number}.weight": torch.zeros(2, 3) for number in range(8)},
    "backbone.bn.running_mean": torch.zeros(2),
    "backbone.bn.running_var": torch.zeros(2),
    "head.fc.weight": torch.zeros(4, 2),
}


def weights(*, of: dict[str, torch.Tensor] = NETWORK, without: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    return {name: torch.ones(value.shape) for name, value in of.items() if name not in without}


def without_prefix(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


OTHER_CLASSES = {**weights(), "head.fc.weight": torch.ones(80, 2)}
WIDER = {name: torch.ones(*(2 * size for size in value.shape)) for name, value in NETWORK.items()}
CLASSIFIER = {**without_prefix(weights(), "backbone."), "classifier.weight": torch.ones(1000, 2)}
PARALLEL = state_of({"state_dict": {f"module.{name}": value for name, value in weights().items()}})


@pytest.mark.parametrize(
    ("state", "network", "backbone", "statistics", "is_accepted"),
    [
        (weights(), (11, 11), (10, 10), (1, 1), True),
        (OTHER_CLASSES, (10, 11), (10, 10), (1, 1), True),
        (CLASSIFIER, (10, 11), (10, 10), (1, 1), True),
        (PARALLEL, (11, 11), (10, 10), (1, 1), True),
        (weights(without=("backbone.conv0.weight",)), (10, 11), (9, 10), (1, 1), True),
        (weights(without=("backbone.bn.running_var",)), (10, 11), (9, 10), (0, 1), True),
        (weights(without=("backbone.conv0.weight", "backbone.bn.running_var")), (9, 11), (8, 10), (0, 1), False),
        (WIDER, (0, 11), (0, 10), (0, 1), False),
        ({"head.fc.weight": torch.ones(4, 2)}, (1, 11), (0, 10), (0, 1), False),
        ({"backbone.bn.running_mean": torch.ones(2)}, (1, 11), (1, 10), (0, 1), False),
        ({"encoder.weight": torch.ones(3)}, (0, 11), (0, 10), (0, 1), False),
        ({}, (0, 11), (0, 10), (0, 1), False),
    ],
    ids=[
        "the network's own weights",
        "a detector of other classes",
        "a classifier",
        "saved from several GPUs",
        "nearly all of the backbone",
        "no variances",
        "too little of the backbone",
        "a wider network",
        "a head alone",
        "one statistic alone",
        "another network",
        "no tensors",
    ],
)
def test_what_weights_fill_decides_whether_a_training_starts_from_them(
    state: dict[str, torch.Tensor],
    network: tuple[int, int],
    backbone: tuple[int, int],
    statistics: tuple[int, int],
    is_accepted: bool,
) -> None:
    found = fit(state, NETWORK)
    assert (found.network, found.backbone, found.statistics) == (Share(*network), Share(*backbone), Share(*statistics))
    assert set(found.tensors) | set(found.absent) | set(found.misshapen) == set(NETWORK)
    if is_accepted:
        found.check("base.pth")
    else:
        with pytest.raises(
            ConfigError, match=rf"^base.pth fills {backbone[0]} of 10 tensors of the network's backbone"
        ):
            found.check("base.pth")


def test_what_is_unfilled_is_absent_or_of_another_shape() -> None:
    found = fit({**OTHER_CLASSES, "more": torch.ones(1)}, NETWORK)
    assert (found.absent, found.misshapen) == ((), ("head.fc.weight",))
    found = fit(weights(without=("head.fc.weight",)), NETWORK)
    assert (found.absent, found.misshapen) == (("head.fc.weight",), ())


def test_half_precision_weights_take_the_networks_type() -> None:
    half = {name: value.half() for name, value in weights().items()}
    assert {value.dtype for value in fit(half, NETWORK).tensors.values()} == {torch.float32}
    assert all(torch.equal(value, torch.ones_like(value)) for value in fit(half, NETWORK).tensors.values())


def test_a_network_without_a_part_named_backbone_counts_as_a_whole() -> None:
    network = without_prefix(NETWORK, "backbone.")
    found = fit(weights(of=network), network)
    assert found.backbone == found.network == Share(10, 10)


@pytest.mark.parametrize(
    ("filled", "of", "is_enough"), [(0, 0, True), (9, 10, True), (1647, 1830, True), (1646, 1830, False)]
)
def test_nine_tenths_are_enough(filled: int, of: int, is_enough: bool) -> None:
    assert Share(filled, of).is_enough is is_enough


def test_counts_are_written_with_separators() -> None:
    assert str(Share(1862, 1872)) == "1,862 of 1,872"
