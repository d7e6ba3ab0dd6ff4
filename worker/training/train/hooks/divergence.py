"""Ends a training whose loss, weights or optimizer state became NaN or infinite: it is useless from then on."""

# ruff: noqa: ARG002  mmengine passes all arguments of a hook point, by name

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from torch.nn.utils import get_total_norm

from training.errors import WorkerError
from training.train.distributed.collectives import any_rank, from_main
from training.train.hooks.readings import loss_of

LastGood = Callable[[], str | None]  # the URI of the last checkpoint


class DivergenceError(WorkerError):
    """Loss, weights or optimizer state became NaN or infinite. Exit code 1, since neither data nor options are known to
    be wrong.
    """


class LossHook(Hook):
    """Checks the loss of every iteration, before CheckpointHook could save the bad weights."""

    priority = "ABOVE_NORMAL"

    def __init__(self, last_good: LastGood) -> None:
        """`last_good` is for the error message."""
        self._last_good = last_good

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        loss = loss_of(outputs)
        if not math.isfinite(loss):
            raise _diverged(f"The loss became {loss} in iteration {runner.iter + 1}", self._last_good())


def require_finite(tensors: Mapping[str, torch.Tensor], last_good: LastGood, *, iteration: int) -> None:
    """Raise DivergenceError in all ranks, which must all call this, if a tensor of one of them is not finite.

    The loss alone does not tell: a gradient can overflow although the loss is finite, and in the last iteration before
    a checkpoint no further loss follows. `iteration`: how many are complete.
    """
    if not any_rank(not is_finite(tensors.values())):
        return
    good = from_main(last_good)
    bad = [name for name, tensor in tensors.items() if not is_finite([tensor])]
    what = f"{len(bad)} of {len(tensors)} tensors, such as {bad[0]}," if bad else "Tensors of another process"
    raise _diverged(f"{what} were NaN or infinite after iteration {iteration}, with a finite loss", good)


def is_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether all numbers are finite. However many tensors there are, a GPU is waited for only once."""
    numbers = [tensor.detach() for tensor in tensors if tensor.is_floating_point() and tensor.numel()]
    return not numbers or bool(get_total_norm(numbers, math.inf).isfinite())


def _diverged(what: str, good: str | None) -> DivergenceError:
    return DivergenceError(
        f"{what}; lower the learning rate or check the annotations; "
        f"{f'the last good checkpoint is {good}' if good else 'there is no checkpoint yet'}."
    )
