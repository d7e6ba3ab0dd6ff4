"""What is in two splits."""

import pytest

from training.dataset.leakage import Content, Leak, find_leaks


@pytest.mark.parametrize(
    ("contents", "found"),
    [
        ([], ()),
        ([Content("1", "a", "train"), Content("2", "b", "test")], ()),
        ([Content("1", "a", "train"), Content("1", "b", "train")], ()),
        ([Content("1", "a", "train"), Content("1", "a", "train")], ()),
        ([Content("1", "b", "val"), Content("1", "a", "train")], (Leak("1", ("a", "b"), ("train", "val")),)),
    ],
)
def test_the_same_content_in_two_splits_is_found(contents: list[Content], found: tuple[Leak, ...]) -> None:
    assert find_leaks(contents) == found
