"""The split by document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import ConfigError, DataError
from training.split import SPLITS, SplitWeights, assign_splits, position

NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=3, max_size=60, unique=True)
WEIGHTS = st.builds(SplitWeights, *[st.integers(1, 100)] * 3)


@given(NAMES, WEIGHTS, st.integers())
def test_every_document_has_one_split_and_no_split_is_empty(names: list[str], weights: SplitWeights, seed: int) -> None:
    splits = assign_splits(names, weights, seed).splits
    assert set(splits) == set(names)
    assert set(splits.values()) == set(SPLITS)


@given(NAMES, WEIGHTS, st.integers())
def test_the_order_of_the_documents_changes_nothing(names: list[str], weights: SplitWeights, seed: int) -> None:
    assert assign_splits(names, weights, seed) == assign_splits(reversed(names), weights, seed)


@given(NAMES, st.text(min_size=13, max_size=14), WEIGHTS, st.integers())
def test_a_new_document_moves_no_other_but_those_that_filled_an_empty_split(
    names: list[str], added: str, weights: SplitWeights, seed: int
) -> None:
    before = assign_splits(names, weights, seed)
    after = assign_splits([*names, added], weights, seed)
    moved = {move.document for move in (*before.moves, *after.moves)}
    assert all(before.splits[name] == after.splits[name] for name in names if name not in moved)


@given(NAMES, WEIGHTS, st.integers())
def test_as_few_documents_as_possible_are_moved(names: list[str], weights: SplitWeights, seed: int) -> None:
    intervals = weights.intervals()
    own = {name: next(s for s in SPLITS if position(seed, name) < intervals[s][1]) for name in names}
    moves = assign_splits(names, weights, seed).moves
    assert len(moves) == len(set(SPLITS) - set(own.values()))
    assert all(own[move.document] == move.source != move.target for move in moves)


def test_large_corpora_are_shared_out_as_asked() -> None:
    splits = list(assign_splits([f"document {n}" for n in range(2000)], SplitWeights(80, 10, 10), 0).splits.values())
    assert 1540 < splits.count("train") < 1660
    assert 150 < splits.count("val") < 250


def test_the_seed_decides() -> None:
    names = [f"document {n}" for n in range(50)]
    assert assign_splits(names, SplitWeights(), 1).splits != assign_splits(names, SplitWeights(), 2).splits


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"]])
def test_fewer_than_three_documents_cannot_be_split(names: list[str]) -> None:
    with pytest.raises(DataError, match="smallest corpus that works has 3"):
        assign_splits(names, SplitWeights(), 0)


def test_weights_are_read_from_text() -> None:
    assert SplitWeights.parse("8, 1,1") == SplitWeights(8, 1, 1)
    for text in ("80,20", "80,20,0", "a,b,c", "", "80,10,-1"):
        with pytest.raises(ConfigError, match="--split"):
            SplitWeights.parse(text)
