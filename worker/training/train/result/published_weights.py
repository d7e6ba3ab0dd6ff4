"""Finds the weights that a finished training publishes: the last ones, or those of its best checkpoint.

The main rank decides; the others follow it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.errors import WorkerError
from training.model import weights
from training.model.bundle import ModelWarning
from training.process.backoff import retry_until
from training.train.checkpoints.checkpoint import Checkpoint
from training.train.checkpoints.choice import BEST, Publish, ValidatedWeights, better_than, warnings_about
from training.train.checkpoints.store import CheckpointStore
from training.train.distributed.collectives import from_main

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """The weights to publish, and what must be said about them.

    `state` are their tensors, in the main rank; none if they are the last ones, which the network has.
    """

    validated: ValidatedWeights
    warnings: list[ModelWarning]
    state: Mapping[str, Any] = field(default_factory=dict)


def find_published_weights(
    publish: Publish, store: CheckpointStore, last: ValidatedWeights, *, base_weights: bool, give_up_s: float
) -> PublishedWeights:
    """Choose between the last weights and the kept checkpoints, whose best is downloaded and verified where it is to be
    published. One that does not verify is passed over for the next best. Retries until the time `give_up_s` of the
    monotonic clock, then raises Transient. `base_weights`: whether the training began with some.
    """
    state: Mapping[str, Any] = {}

    def choose() -> tuple[ValidatedWeights, list[ModelWarning]]:
        nonlocal state
        published, better = last, better_than(last, _kept(store, is_needed=publish == BEST))
        found = store.fetch_first(better) if publish == BEST else None
        if found is not None:
            checkpoint, path = found
            state = weights.state_of(weights.read(path, what=f"The checkpoint {store.uri(checkpoint)}"))
            path.unlink()
            published = ValidatedWeights(epoch=checkpoint.epoch, metrics=checkpoint.metrics)
        return published, warnings_about(published, better, base_weights=base_weights)

    published, warnings = from_main(
        lambda: retry_until(give_up_s, choose, trouble="the checkpoints cannot be compared yet")
    )
    logger.info("publishing the weights of epoch %d of %d", published.epoch, last.epoch)
    return PublishedWeights(validated=published, warnings=warnings, state=state)


def _kept(store: CheckpointStore, *, is_needed: bool) -> list[Checkpoint]:
    try:
        return store.kept()
    except WorkerError as error:
        if is_needed:
            raise
        logger.warning("whether an earlier epoch was better is not known: %s", error)
        return []
