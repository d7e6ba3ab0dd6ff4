"""What a cell holds: its own words, or its ink, whatever else lies over it. Cells are 100 x 40 pixels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.preprocess.words import words_at
from training.geometry import Box, Word, Words, union
from training.labels.content import MIN_INK_IN_WORDS, Contents, Ink, InkLookup, InkShare, cell_contents, own_words

CELL = Box(100, 100, 200, 140)
INK = Box(120, 110, 150, 130)
ROWS, COLUMNS = 3, 3
GRID = [Box(100 * c, 40 * r, 100 * c + 100, 40 * r + 40) for r in range(ROWS) for c in range(COLUMNS)]
WORDS = [Box(cell.left + 10, cell.top + 12, cell.left + 60, cell.top + 28) for cell in GRID]


def no_ink(_: Box) -> None:
    return None


def drawn(*marks: Box) -> InkLookup:
    """Finds these marks, as far as they lie in a box."""

    def find(box: Box) -> Box | None:
        inside = [shared for mark in marks if not (shared := mark.intersection(box)).is_empty]
        return union(inside) if inside else None

    return find


def share_of(ink: InkLookup) -> InkShare:
    """The fraction of the marks' boxes, as `drawn` finds them, that lies in a part."""

    def share(cell: Box, part: Box) -> float | None:
        found = ink(cell)
        return None if found is None else max(0.0, found.intersection(part).area) / found.area

    return share


def contents(cells: list[Box], words: list[Word], ink: InkLookup, *, texts: list[str] | None = None) -> Contents:
    return cell_contents(
        list(zip(texts or [""] * len(cells), cells, strict=True)), Words(words), Ink(ink, ink, share_of(ink))
    )


def content(words: list[Word], ink: InkLookup = no_ink, *, text: str = "") -> Box | None:
    return contents([CELL], words, ink, texts=[text]).boxes[0]


@pytest.mark.parametrize(
    ("word", "belongs"),
    [
        (Box(110, 110, 190, 130), True),
        (Box(98, 100, 190, 120), True),  # sticks out by 2 of 92 pixels
        (Box(80, 110, 190, 130), False),  # a quarter is outside
        (Box(105, 96, 195, 116), True),  # the font's height over a cell that is drawn tight
        (Box(105, 80, 195, 100.5), False),  # the row above
        (Box(105, 92, 195, 112), False),
    ],
)
def test_a_word_belongs_to_the_cell_that_holds_more_than_95_percent_of_it(word: Box, belongs: bool) -> None:
    words = words_at([word])
    assert own_words(CELL, Words(words)) == (words if belongs else [])
    assert content(words) == (word if belongs else None)


def test_ink_counts_where_no_word_is_the_cells_own() -> None:
    assert content([], drawn(INK)) == INK
    assert content(words_at([Box(500, 500, 600, 520)]), drawn(INK)) == INK
    assert content(words_at([Box(80, 110, 190, 130)]), drawn(INK)) == INK
    assert content(words_at([INK]), drawn(INK)) == INK


def test_strong_ink_alone_counts_under_a_word_of_nobody_unless_there_is_none() -> None:
    faint = union([CELL, INK])
    stranger = words_at([Box(80, 110, 190, 130)])
    for strong, expected in ((drawn(INK), INK), (no_ink, faint)):
        found = cell_contents([("", CELL)], Words(stranger), Ink(drawn(faint), strong, share_of(no_ink)))
        assert found.boxes == [expected]
    assert cell_contents([("", CELL)], Words([]), Ink(drawn(faint), drawn(INK), share_of(no_ink))).boxes == [faint]


def test_what_the_words_of_the_row_above_leave_of_a_cell_is_looked_at_alone() -> None:
    above = Box(100, 60, 200, 100)
    descending = Box(105, 84, 195, 103)  # the font's height reaches over the edge
    seen: list[Box] = []

    def note(box: Box) -> None:
        seen.append(box)

    contents([above, CELL], words_at([descending]), note)
    assert seen[-1] == CELL._replace(top=103)


def test_words_that_are_another_text_than_the_annotators_are_not_the_cells_own_where_there_is_ink() -> None:
    letters = [Word(Box(160, 110, 170, 130), "N"), Word(Box(172, 110, 182, 130), "F")]
    assert content(letters, drawn(INK), text="2019") == INK
    assert content(letters, no_ink, text="NF") == union([word.box for word in letters])
    assert content(letters, no_ink, text="2019") == union([word.box for word in letters])


def test_the_ink_decides_for_a_table_whose_words_lie_beside_it() -> None:
    drawn_words = drawn(*WORDS)
    found = contents(GRID, words_at(WORDS), drawn_words)
    assert found == (WORDS, [[word] for word in words_at(WORDS)], True)
    low = [word.shifted(0, 8) for word in WORDS]
    found = contents(GRID, words_at(low), drawn_words)
    assert found == (WORDS, [[word] for word in words_at(low)], False)
    # A single cell with more than its words, such as a picture, is as ever.
    picture = Box(70, 5, 95, 35)
    found = contents(GRID, words_at(WORDS), drawn(*WORDS, picture))
    assert (found.boxes, found.are_by_words) == (WORDS, True)


@given(st.lists(st.sampled_from([None, 0.0, 0.5, MIN_INK_IN_WORDS, 1.0]), min_size=9, max_size=9))
def test_most_cells_decide_whether_the_words_are_what_is_drawn_though_few_are_looked_at(
    shares: list[float | None],
) -> None:
    looked_at: list[Box] = []

    def share(cell: Box, _: Box) -> float | None:
        looked_at.append(cell)
        return shares[GRID.index(cell)]

    cells = [("", cell) for cell in GRID]
    found = cell_contents(cells, Words(words_at(WORDS)), Ink(no_ink, no_ink, share))
    seen = [part < MIN_INK_IN_WORDS for part in shares if part is not None]
    assert found.are_by_words == (2 * sum(seen) <= len(seen))
    if None not in shares and len(set(shares)) == 1:
        assert len(looked_at) == 5


def test_a_cell_without_an_area_is_empty() -> None:
    assert contents([CELL._replace(right=100)], [], drawn(CELL)) == ([None], [[]], True)


STRANGERS = st.lists(
    st.builds(
        lambda x, y, w, h: Box(x, y, x + w, y + h),
        st.floats(-50, 320),
        st.floats(-50, 140),
        st.floats(1, 250),
        st.floats(1, 120),
    ).filter(lambda box: not any(own_words(cell, Words(words_at([box]))) for cell in GRID)),
    max_size=8,
)
FILLED = st.lists(st.booleans(), min_size=len(GRID), max_size=len(GRID))


@given(FILLED, FILLED, STRANGERS)
def test_words_of_nobody_take_no_label_away_and_move_no_cell_with_words(
    typed: list[bool], inked: list[bool], strangers: list[Box]
) -> None:
    own = [word for word, is_typed in zip(WORDS, typed, strict=True) if is_typed]
    ink = drawn(*own, *(word for word, is_inked in zip(WORDS, inked, strict=True) if is_inked))
    before = contents(GRID, words_at(own), ink).boxes
    after = contents(GRID, words_at([*own, *strangers]), ink).boxes
    assert after == before


@given(FILLED, STRANGERS)
def test_what_words_of_nobody_draw_adds_nothing_to_cells_with_words(typed: list[bool], strangers: list[Box]) -> None:
    own = [word for word, is_typed in zip(WORDS, typed, strict=True) if is_typed]
    found = contents(GRID, words_at([*own, *strangers]), drawn(*own, *strangers)).boxes
    for cell, word, is_typed in zip(found, WORDS, typed, strict=True):
        assert cell == word if is_typed else True


@given(st.floats(-9, 9), st.floats(0, 11.5))
def test_wherever_a_text_layer_is_shifted_to_the_cells_hold_what_is_drawn(across: float, down: float) -> None:
    words = words_at(word.shifted(across, down) for word in WORDS)
    for cell, ink in zip(contents(GRID, words, drawn(*WORDS)).boxes, WORDS, strict=True):
        assert cell is not None
        assert cell == ink or cell.intersection(ink).area >= MIN_INK_IN_WORDS * ink.area


@given(st.integers(0, COLUMNS - 2), st.integers(0, ROWS - 1), st.floats(1, 60), st.floats(1, 39))
def test_a_word_joined_over_a_ruling_line_leaves_each_cell_what_is_drawn_in_it(
    column: int, row: int, left: float, right: float
) -> None:
    rule = 100 * (column + 1)
    joined = Box(rule - left, 40 * row + 12, rule + right, 40 * row + 28)
    if any(own_words(cell, Words(words_at([joined]))) for cell in GRID):
        return
    found = contents(GRID, words_at([joined]), drawn(joined)).boxes
    first = COLUMNS * row + column
    assert found[first] == joined._replace(right=rule)
    assert found[first + 1] == joined._replace(left=rule)
    assert [box for box in found if box is not None] == [found[first], found[first + 1]]
