"""Lets all ranks evaluate the network that the main rank publishes."""

from typing import Any

from mmengine.dist import broadcast
from mmengine.hooks import Hook


class BuffersHook(Hook):
    """Gives the main rank's buffers to all ranks before each evaluation.

    Gradients keep the weights of all ranks equal. The statistics of batch normalization, which are buffers, each rank
    learns from its own pages. They are not averaged: the result would depend on the other ranks' statistics, which a
    checkpoint does not hold, and a training that is stopped would continue to other ones.
    """

    # After EMAHook, which puts averaged weights and perhaps buffers into the network for an evaluation.
    priority = "LOWEST"

    def before_val_epoch(self, runner: Any) -> None:
        self._broadcast(runner)

    def before_test_epoch(self, runner: Any) -> None:
        self._broadcast(runner)

    def _broadcast(self, runner: Any) -> None:
        for buffer in runner.model.buffers():
            broadcast(buffer)  # does nothing if there is one rank
