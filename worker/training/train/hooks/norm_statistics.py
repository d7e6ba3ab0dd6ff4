"""Freezes the statistics of batch normalization part of the way through a training that learns them."""

from collections.abc import Iterable
from typing import Any

from mmengine.dist import broadcast
from mmengine.hooks import Hook

from training.train.hooks.readings import network_of


class NormStatisticsHook(Hook):
    """Keeps the statistics of batch normalization as they are from an epoch on, like `norm_eval` of a backbone.

    A step that sees one page normalizes by that page's statistics, and the network that is evaluated by their average:
    it is another network. What is trained with the statistics frozen is what is evaluated. Weights and biases of the
    normalization learn on.
    """

    def __init__(self, from_epoch: int) -> None:
        """`from_epoch` counts from 0."""
        self._from_epoch = from_epoch

    def before_train_epoch(self, runner: Any) -> None:
        if runner.epoch < self._from_epoch:
            return
        # Each rank has learned those of its own pages, but a checkpoint holds the main rank's.
        for buffer in runner.model.buffers():
            broadcast(buffer)
        modules: Iterable[Any] = network_of(runner).modules()
        for module in modules:
            if hasattr(module, "norm_eval"):
                module.norm_eval = True
