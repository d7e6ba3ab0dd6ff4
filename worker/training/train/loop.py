"""Training that can be cut off anywhere and continued exactly: same data, same augmentation, same weights, bit for bit
on a CPU.

mmengine's own loop forgets on resume where it stood in the epoch and in which state the random numbers were. Here
nothing random depends on what was run before in this process:

- the order of the pages is a function of (seed, epoch), as mmengine's samplers do it; `SkippableBatchSampler` leaves
  out the batches that were already used;
- the augmentation of a page is a function of (seed, epoch, index of the page), in whatever data worker it is made
  (`SeededDataset`);
- everything else, as the choice of training boxes, is a function of (seed, iteration, rank), set before each iteration.

Importing this module registers the three classes with mmengine; `config.bind` writes them into the config.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmengine.dist import get_rank
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import BatchSampler, Dataset, Sampler


def derive_seed(*key: int) -> int:
    """A seed of 32 bits from numbers; neighbouring keys give unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=4).digest(), "little")


def seed_everything(*key: int) -> None:
    """Put every random number generator in the state that belongs to the key."""
    seed = derive_seed(*key)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # all devices


@DATASETS.register_module()
class SeededDataset(Dataset[Any]):
    """Wraps a dataset so that an item depends on (seed, epoch, index) and on nothing that happened before."""

    def __init__(self, dataset: Any) -> None:
        self.inner = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        self.seed = 0
        self.epoch = 0

    @property
    def metainfo(self) -> Any:
        return self.inner.metainfo

    def full_init(self) -> None:
        self.inner.full_init()

    def get_data_info(self, index: int) -> Any:
        return self.inner.get_data_info(index)

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        # Without data workers this runs in the training process, whose own random numbers must not notice.
        state = random.getstate(), np.random.get_state(), torch.get_rng_state()
        seed_everything(self.seed, self.epoch, int(index))
        try:
            return self.inner[index]
        finally:
            random.setstate(state[0])
            np.random.set_state(state[1])
            torch.set_rng_state(state[2])


@DATA_SAMPLERS.register_module()
class SkippableBatchSampler(Sampler[list[int]]):
    """Wraps a batch sampler so that its next pass leaves out the first `skip` batches.

    `inner` is the config of a batch sampler, as of AspectRatioBatchSampler; None is torch's own.
    """

    def __init__(
        self, sampler: Any, batch_size: int, inner: dict[str, Any] | None = None, drop_last: bool = False
    ) -> None:
        self.inner: Any
        if inner is None:
            self.inner = BatchSampler(sampler, batch_size, drop_last)
        else:
            self.inner = DATA_SAMPLERS.build(
                dict(inner), default_args={"sampler": sampler, "batch_size": batch_size, "drop_last": drop_last}
            )
        # mmengine's DistSamplerSeedHook reaches the epoch-seeded sampler here.
        self.sampler = sampler
        self.batch_size = batch_size
        self.skip = 0

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        yield from itertools.islice(self.inner, skip, None)

    def __len__(self) -> int:
        return len(self.inner)


@LOOPS.register_module()
class ExactEpochLoop(EpochBasedTrainLoop):
    """An epoch loop that continues within an epoch, and makes up for a validation that was cut off.

    It expects a `SeededDataset` and a `SkippableBatchSampler` in its dataloader, and data workers that end with the
    epoch: they hold a copy of the dataset, made when the epoch starts.
    """

    def __init__(self, *args: Any, validate_first: bool = False, **kwargs: Any) -> None:
        """`validate_first`: the checkpoint that is resumed closed an epoch whose validation is not known."""
        super().__init__(*args, **kwargs)
        self._validate_first = validate_first
        # Where the checkpoint that is resumed stands, if its own count was of other batches.
        self.first_iteration: int | None = None

    def run(self) -> Any:
        if self.first_iteration is not None:
            self._iter = self.first_iteration
        self.runner.call_hook("before_train")
        if self._validate_first and self._epoch > 0 and self._iter == self._epoch * len(self.dataloader):
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        done = self._iter - self._epoch * len(self.dataloader)  # `resumed_iteration` saw that it is one of them
        dataset = self.dataloader.dataset
        dataset.seed, dataset.epoch = self.runner.seed, self._epoch
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        self.dataloader.batch_sampler.skip = done
        # To the very end: AspectRatioBatchSampler clears its buckets only there.
        for index, batch in enumerate(self.dataloader, done):
            seed_everything(self.runner.seed, self._iter, get_rank())
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _validate(self) -> None:
        self._decide_current_val_interval()
        if (
            self.runner.val_loop is not None
            and self._epoch >= self.val_begin
            and (self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs)
        ):
            self.runner.val_loop.run()
