"""The split by document."""

from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.dataset.split import SPLITS, SplitWeights, assign_splits, unit_hash
from training.errors import ConfigError, DataError

NAMES = st.lists(st.text(min_size=1, max_size=12), min_size=3, max_size=60, unique=True)
CLASSES = ("table", "Cell", "header")


def without_classes(names: Iterable[str]) -> dict[str, frozenset[str]]:
    return {name: frozenset() for name in names}


@st.composite
def corpora(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """Documents of which at least three have everything, so that some assignment works."""
    names = draw(NAMES)
    some = st.sets(st.sampled_from(CLASSES)).map(frozenset)
    return {name: frozenset(CLASSES) if index < 3 else draw(some) for index, name in enumerate(names)}


def own_split(name: str, weights: SplitWeights, seed: int) -> str:
    return next(split for split in SPLITS if unit_hash(seed, name) < weights.intervals()[split][1])


WEIGHTS = st.builds(SplitWeights, *[st.integers(1, 100)] * 3)


@settings(max_examples=200)
@given(NAMES, WEIGHTS, st.integers())
def test_every_document_has_one_split_and_no_split_is_empty(names: list[str], weights: SplitWeights, seed: int) -> None:
    splits = assign_splits(without_classes(names), weights, seed).splits
    assert set(splits) == set(names)
    assert set(splits.values()) == set(SPLITS)


@given(NAMES, WEIGHTS, st.integers())
def test_the_order_of_the_documents_changes_nothing(names: list[str], weights: SplitWeights, seed: int) -> None:
    assert assign_splits(without_classes(names), weights, seed) == assign_splits(
        without_classes(reversed(names)), weights, seed
    )


@given(NAMES, st.text(min_size=13, max_size=14), WEIGHTS, st.integers())
def test_a_new_document_moves_no_other_but_those_that_filled_an_empty_split(
    names: list[str], added: str, weights: SplitWeights, seed: int
) -> None:
    before = assign_splits(without_classes(names), weights, seed)
    after = assign_splits(without_classes([*names, added]), weights, seed)
    moved = {move.document for move in (*before.moves, *after.moves)}
    assert all(before.splits[name] == after.splits[name] for name in names if name not in moved)


@given(NAMES, WEIGHTS, st.integers())
def test_as_few_documents_as_possible_are_moved(names: list[str], weights: SplitWeights, seed: int) -> None:
    own = {name: own_split(name, weights, seed) for name in names}
    moves = assign_splits(without_classes(names), weights, seed).moves
    assert len(moves) == len(set(SPLITS) - set(own.values()))
    assert all(own[move.document] == move.source != move.target for move in moves)


def test_large_corpora_are_shared_out_as_asked() -> None:
    splits = list(
        assign_splits(
            without_classes(f"document {n}" for n in range(2000)), SplitWeights(80, 10, 10), 0
        ).splits.values()
    )
    assert 1540 < splits.count("train") < 1660
    assert 150 < splits.count("val") < 250


def test_the_seed_decides() -> None:
    names = without_classes(f"document {n}" for n in range(50))
    assert assign_splits(names, SplitWeights(), 1).splits != assign_splits(names, SplitWeights(), 2).splits


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"]])
def test_fewer_than_three_documents_cannot_be_split(names: list[str]) -> None:
    with pytest.raises(DataError, match="smallest corpus that works has 3"):
        assign_splits(without_classes(names), SplitWeights(), 0)


def test_weights_are_read_from_text() -> None:
    assert SplitWeights.parse("8, 1,1") == SplitWeights(8, 1, 1)
    for text in ("80,20", "80,20,0", "a,b,c", "", "80,10,-1"):
        with pytest.raises(ConfigError, match="--split"):
            SplitWeights.parse(text)


@settings(max_examples=200)
@given(corpora(), WEIGHTS, st.integers())
def test_every_split_has_every_class_that_occurs(
    classes: dict[str, frozenset[str]], weights: SplitWeights, seed: int
) -> None:
    splits = assign_splits(classes, weights, seed).splits
    for split in SPLITS:
        assert frozenset.union(*[classes[name] for name in classes if splits[name] == split]) == frozenset(CLASSES)


@given(corpora(), WEIGHTS, st.integers())
def test_only_the_documents_that_are_named_are_moved(
    classes: dict[str, frozenset[str]], weights: SplitWeights, seed: int
) -> None:
    assignment = assign_splits(classes, weights, seed)
    moved = {name for name in classes if assignment.splits[name] != own_split(name, weights, seed)}
    assert moved == {move.document for move in assignment.moves}


SMALL = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.sets(st.sampled_from(CLASSES)).map(frozenset), min_size=3, max_size=6
)


@given(SMALL, WEIGHTS, st.integers())
def test_no_assignment_takes_fewer_moves_and_an_error_means_that_there_is_none(
    classes: dict[str, frozenset[str]], weights: SplitWeights, seed: int
) -> None:
    """Against every assignment there is."""
    wanted = frozenset[str]().union(*classes.values())
    names = sorted(classes)
    distances = []
    for places in product(SPLITS, repeat=len(names)):
        split_of = dict(zip(names, places, strict=True))
        held = [[classes[name] for name in names if split_of[name] == split] for split in SPLITS]
        if all(kinds and frozenset().union(*kinds) == wanted for kinds in held):
            distances.append(sum(split_of[name] != own_split(name, weights, seed) for name in names))
    if distances:
        assert len(assign_splits(classes, weights, seed).moves) == min(distances)
    else:
        with pytest.raises(DataError, match="smallest corpus that works has 3 documents with"):
            assign_splits(classes, weights, seed)


def test_a_class_that_is_too_rare_is_named_with_what_it_takes() -> None:
    classes = {str(n): frozenset({"table", "header"} if n < 2 else {"table"}) for n in range(9)}
    with pytest.raises(DataError, match=r"header occurs in 2 of 9 documents.* 3 documents with header"):
        assign_splits(classes, SplitWeights(), 0)


def test_classes_that_do_not_fit_together_are_named() -> None:
    kinds = ({"table", "Cell", "header"}, {"table", "Cell"}, {"table", "header"}, {"Cell", "header"})
    classes = {str(n): frozenset(kind) for n, kind in enumerate(kinds)}
    with pytest.raises(DataError, match=r"cannot be shared out.*3 documents with all of them"):
        assign_splits(classes, SplitWeights(), 0)
