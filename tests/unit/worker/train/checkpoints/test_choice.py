"""Which weights are published, and what is said of them."""

import pytest
from hypothesis import given, strategies

from training.train.checkpoints.checkpoint import Checkpoint, Retention, best_first
from training.train.checkpoints.choice import ValidatedWeights, better_than, warnings_about


def checkpoint(epoch: int, value: float | None) -> Checkpoint:
    return Checkpoint(
        key=f"epoch_{epoch}.pth",
        epoch=epoch,
        iteration=epoch * 10,
        sha256="",
        size_bytes=0,
        dataset_digest="",
        training_id="t",
        time="",
        metrics={} if value is None else {"bbox_mAP": value},
    )


def after(epoch: int, value: float | None) -> ValidatedWeights:
    return ValidatedWeights(epoch=epoch, metrics=checkpoint(epoch, value).metrics)


@pytest.mark.parametrize(
    ("last", "kept", "better"),
    [
        (0.4, {3: 0.4, 2: 0.5}, [2]),
        (0.4, {3: 0.4, 2: 0.4}, []),
        (0.4, {2: 0.5, 1: 0.6}, [1, 2]),  # the last checkpoint was lost
        (0.4, {2: None, 1: 0.5}, [1]),
        (0.4, {}, []),
        (None, {2: 0.5}, []),
    ],
)
def test_the_checkpoints_that_are_better_than_the_last_weights(
    last: float | None, kept: dict[int, float | None], better: list[int]
) -> None:
    found = better_than(after(3, last), [checkpoint(epoch, value) for epoch, value in kept.items()])
    assert [item.epoch for item in found] == better


# Of each epoch: the metric of its validation, unless the training was killed before that, and whether it was committed.
EPOCHS = strategies.lists(
    strategies.tuples(strategies.none() | strategies.sampled_from([0.1, 0.2, 0.3]), strategies.booleans()), max_size=12
)


@given(last=strategies.integers(1, 3), best=strategies.integers(1, 3), epochs=EPOCHS)
def test_no_retention_of_a_best_checkpoint_deletes_the_one_that_would_be_published(
    last: int, best: int, epochs: list[tuple[float | None, bool]]
) -> None:
    keep = Retention(last=last, best=best)
    committed = [checkpoint(epoch, value) for epoch, (value, is_stored) in enumerate(epochs, 1) if is_stored]
    kept: list[Checkpoint] = []
    for made in committed:
        kept = keep.choose([made, *kept])
    assert best_first(kept)[:1] == best_first(committed[::-1])[:1]


@pytest.mark.parametrize(
    ("published", "better", "said"),
    [
        ((20, 0.481), {12: 0.512}, ["Epoch 12 was better by .031 bbox_mAP on val (.512 instead of .481)"]),
        ((20, 0.481), {12: 0.4812}, []),
        ((12, 0.512), {12: 0.512}, []),  # the best is published
        ((20, 0.481), {}, []),
        ((20, None), {12: 0.512}, []),
        ((20, 0.049), {}, ["the best bbox_mAP on val was .049, in epoch 20"]),
        ((20, 0.05), {}, []),
        (
            (20, 0.0),
            {3: 0.04},
            ["Epoch 3 was better by .040 bbox_mAP on val (.040 instead of .000)", "on val was .040, in epoch 3"],
        ),
    ],
)
def test_what_is_said_of_the_published_weights(
    published: tuple[int, float | None], better: dict[int, float], said: list[str]
) -> None:
    found = warnings_about(
        after(*published), [checkpoint(epoch, value) for epoch, value in better.items()], base_weights=False
    )
    assert len(found) == len(said)
    for warning, part in zip(found, said, strict=True):
        assert part in warning.message
    assert {warning.reason for warning in found} <= {"BestWasBetter", "DetectsNothing"}


def test_the_advice_says_how_to_publish_the_best_and_where_to_start_from() -> None:
    (better,) = warnings_about(after(2, 0.4), [checkpoint(1, 0.5)], base_weights=True)
    assert better.message.endswith("; publish it with training.publish: best.")
    (nothing,) = warnings_about(after(2, 0.0), [], base_weights=False)
    assert nothing.message.endswith("; start from base weights (loadFrom), train more epochs or on more pages.")
    (nothing,) = warnings_about(after(2, 0.0), [], base_weights=True)
    assert nothing.message.endswith("epoch 2; train more epochs or on more pages.")
