"""How much of a network a file's weights fill, and whether that is enough to start from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch

from training.errors import ConfigError
from training.model.weights import fitting

ENOUGH = 0.9  # share of the backbone's tensors that base weights must fill
_BACKBONE = "backbone."
_MEAN, _VARIANCE = ".running_mean", ".running_var"


@dataclass(frozen=True)
class Share:
    """How many of a kind of tensors are filled."""

    filled: int
    of: int

    @property
    def is_enough(self) -> bool:
        return self.filled >= ENOUGH * self.of

    def __str__(self) -> str:
        return f"{self.filled:,} of {self.of:,}"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The weights that a network can use, and what they leave unfilled."""

    tensors: dict[str, torch.Tensor]  # by the network's names, in its types
    network: Share
    backbone: Share
    statistics: Share  # layers of batch normalization whose running mean and variance are filled
    absent: tuple[str, ...]  # names of the network's tensors that the file lacks
    misshapen: tuple[str, ...]  # those that it holds in another shape

    def check(self, what: str) -> None:
        """Raise ConfigError if too little of the backbone is filled to start from; `what` names the file."""
        if not self.backbone.is_enough:
            raise ConfigError(
                f"{what} fills {self.backbone} tensors of the network's backbone, too few to start from; use the "
                f"config that the weights were trained with, or weights of this config's network."
            )


def fit(weights: Mapping[str, torch.Tensor], network: Mapping[str, torch.Tensor]) -> Fit:
    """Fit a file's tensors, those of a detector or of a classifier (for the backbone alone), to those of a network.

    A tensor fits if name and shape are the network's; its type may differ, such as float16. A network without a part
    that is named `backbone` counts as one as a whole.
    """
    as_backbone = {f"{_BACKBONE}{name}": value for name, value in weights.items()}
    named = max(weights, as_backbone, key=lambda candidate: len(fitting(candidate, network)))
    found = fitting(named, network)
    backbone = [name for name in network if name.startswith(_BACKBONE)] or list(network)
    unfilled = [name for name in network if name not in found]
    return Fit(
        tensors={name: value.to(network[name].dtype) for name, value in found.items()},
        network=_share(network, found),
        backbone=_share(backbone, found),
        statistics=_share(_layers(network), _layers(found)),
        absent=tuple(name for name in unfilled if name not in named),
        misshapen=tuple(name for name in unfilled if name in named),
    )


def _share(names: Collection[str], found: Collection[str]) -> Share:
    return Share(sum(name in found for name in names), len(names))


def _layers(names: Collection[str]) -> set[str]:
    """The layers of batch normalization whose both statistics are among these names of tensors."""
    layers = {name.removesuffix(_MEAN) for name in names if name.endswith(_MEAN)}
    return {layer for layer in layers if layer + _VARIANCE in names}
