"""A training loop that resumes exactly, even within an epoch: same data, same augmentation, same weights (on a CPU bit
for bit).

When mmengine's own loop resumes, it has lost its position in the epoch and the state of the random number generators.
Here nothing random depends on what this process did before:

- the order of the pages is a function of (seed, epoch), as in mmengine's samplers; `SkippableBatchSampler` skips the
  batches that were already used;
- the augmentation of a page is a function of (seed, epoch, index of the page), whichever data worker does it
  (`SeededDataset`);
- all other random numbers, such as those that sample training boxes, are a function of (seed, iteration, rank):
  `ExactEpochLoop` seeds the generators before each iteration.

Importing this module registers the three classes with mmengine; `bound_config.bind` writes them into the config.
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
    """A 32-bit seed for a key of numbers; similar keys give unrelated seeds."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=4).digest(), "little")


def seed_everything(*key: int) -> None:
    """Seed the random number generators of Python, numpy and torch with a seed for the key."""
    seed = derive_seed(*key)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # all devices


@DATASETS.register_module()
class SeededDataset(Dataset[Any]):
    """Wraps a dataset so that an item depends on (seed, epoch, index) alone, not on the items read before."""

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
        # Without data workers this runs in the training process, whose own random state must not change.
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
    """Wraps a batch sampler so that its next pass skips the first `skip` batches.

    `inner` is the config of a batch sampler, such as AspectRatioBatchSampler; None stands for torch's BatchSampler.
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
        # mmengine's DistSamplerSeedHook sets the epoch of the sampler through this attribute.
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
    """An epoch-based loop that can resume within an epoch, and makes up for a validation that was interrupted.

    Its dataloader must have a `SeededDataset`, a `SkippableBatchSampler`, and data workers that end with the epoch,
    since they hold a copy of the dataset, with its epoch, from the start of the epoch.
    """

    def __init__(self, *args: Any, validate_first: bool = False, **kwargs: Any) -> None:
        """`validate_first`: the checkpoint has no metrics; if it was made at the end of an epoch, validate first."""
        super().__init__(*args, **kwargs)
        self._validate_first = validate_first
        # The iteration to resume from; it differs from the checkpoint's own if the batch size has changed.
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
        done = self._iter - self._epoch * len(self.dataloader)  # `resumed_iteration` checked that it is in range
        dataset = self.dataloader.dataset
        dataset.seed, dataset.epoch = self.runner.seed, self._epoch
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        self.dataloader.batch_sampler.skip = done
        # Iterates to the very end, since AspectRatioBatchSampler clears its buckets only there.
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
