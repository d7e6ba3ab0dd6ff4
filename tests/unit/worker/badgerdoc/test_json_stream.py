"""A document's pages as pieces of its text."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.badgerdoc.json_stream import split_pages
from training.badgerdoc.page_index import PageFile
from training.badgerdoc.reader import page_texts
from training.documents.render import PAGES_PER_CHUNK

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=6).filter(lambda name: name != "pages"), VALUES, max_size=3),
    st.lists(VALUES, max_size=5),
    st.dictionaries(st.text(max_size=6).filter(lambda name: name != "pages"), VALUES, max_size=3),
    st.sampled_from([None, 1]),
)
def test_every_page_comes_out_as_it_was_written(before: dict, pages: list, after: dict, indent: int | None) -> None:  # type: ignore[type-arg]
    content = {**before, "pages": pages, **{name: value for name, value in after.items() if name not in before}}
    found = list(split_pages(json.dumps(content, indent=indent)))
    assert [json.loads(page.text) for page in found] == pages
    assert [page.fields for page in found] == [set(page) if isinstance(page, dict) else set() for page in pages]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        "{}",
        '{"pages": 1}',
        '{"pages": {}}',
        '{"pages": [1}',
        '{"pages": [1 2]}',
        '{"pages": []} x',
        "{1: 2}",
        '{"pages": [',
        '{"pages": [1], "pages": [2]}',
        '{"pages" [1]}',
        '{"a": 1 "pages": [1]}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        list(split_pages(text))


def test_pages_are_read_from_disk_by_their_numbers(tmp_path: Path) -> None:
    content = {"pages": [{"page_num": number, "blocks": [{"type": "téxt"}] * number} for number in (2, 0, 1)]}
    pages = PageFile(tmp_path / "pages", page_texts(json.dumps(content, ensure_ascii=False).encode()))
    assert pages.numbers == [0, 1, 2]
    assert [len(page.blocks) for page in pages.read(pages.numbers).values()] == [0, 1, 2]


def test_pages_are_the_same_whether_they_were_kept_or_are_read_again(tmp_path: Path) -> None:
    count = 2 * PAGES_PER_CHUNK
    content = {"pages": [{"page_num": number, "blocks": [{"type": str(number)}]} for number in range(count)]}
    pages = PageFile(tmp_path / "pages", page_texts(json.dumps(content).encode()))
    first = pages.read(range(count))
    assert [page.blocks[0].type for page in first.values()] == [str(number) for number in range(count)]
    assert pages.read(range(count)) == first
    assert pages.read([count - 1, 0]) == {number: first[number] for number in (count - 1, 0)}
