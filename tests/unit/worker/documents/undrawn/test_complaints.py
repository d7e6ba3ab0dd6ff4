"""What pdftoppm complains of, page by page, and which of it matters."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.documents.undrawn.complaints import (
    MAX_COMPLAINTS,
    MAX_LINE_BYTES,
    MAX_LINES,
    ComplaintReader,
    Effect,
    first_of,
    meaning,
)

# As poppler 22.12 prints them, of damaged files that the tests draw.
OUTPUT = b"""Syntax Warning: May not be a PDF file (continuing anyway)
1 4 /tmp/page-1.jpg
Syntax Error: Malformed JP2 file format: second box must be file type box<0a>
Syntax Warning: Unable to read header
Syntax Error: Did no succeed opening JPX Stream.
Syntax Error: Did no succeed opening JPX Stream.
2 4 /tmp/page-2.jpg
Syntax Error (7032): No font in show
Syntax Error (4463): Unexpected end of file in flate stream
3 4 /tmp/page-3.jpg
4 4 /tmp/page-4.jpg
"""


@pytest.mark.parametrize(
    ("line", "effect", "encoding"),
    [
        ("Syntax Error: Did no succeed opening JPX Stream.", Effect.WHOLE_IMAGE, "jpx"),
        ("Syntax Error: Could not find start of jpeg data", Effect.WHOLE_IMAGE, "jpeg"),
        (
            "Syntax Error (741): First JBIG2 segment must be a page information segment",
            Effect.WHOLE_IMAGE,
            "jbig2",
        ),
        ("Syntax Error (717): Unknown filter 'FooDecode'", Effect.WHOLE_IMAGE, None),
        ("Syntax Error (4463): Unexpected end of file in flate stream", Effect.PART, "image"),
        ("Syntax Error (720): Unknown compression method in flate stream", Effect.PART, "image"),
        ("Syntax Error (1373): Bad two dim code (-001) in CCITTFax stream", Effect.PART, "ccitt"),
        ("Syntax Error (12): Bad LZW stream - unexpected code", Effect.PART, "image"),
        ("Syntax Error: non-embedded font using identity encoding: MS-PGothic", Effect.GLYPHS, None),
        ("Syntax Error: Couldn't find 'UniGB-UCS2-H' CMap file for 'Adobe-CNS1' collection", Effect.GLYPHS, None),
        (
            "Syntax Error: Couldn't find a font to substitute for 'X' ('Adobe-GB1' collection)",
            Effect.GLYPHS,
            None,
        ),
    ],
)
def test_what_is_missing_in_the_picture_is_told_from_what_is_said(line: str, effect: Effect, encoding: str) -> None:
    complaint = meaning(line)
    assert complaint is not None
    assert (complaint.effect, complaint.encoding) == (effect, encoding)
    assert not complaint.text.startswith("Syntax")
    assert complaint.text in line


@pytest.mark.parametrize(
    "line",
    [
        "Syntax Warning: May not be a PDF file (continuing anyway)",
        "Syntax Error: Couldn't read xref table",
        "Syntax Warning: Non conformant codestream TPsot==TNsot.<0a>",
        "Syntax Error (91): Bad annotation destination",
        "Syntax Warning: Invalid shared object hint table offset",
        "Syntax Error: Unknown operator 'xx'",
        "",
    ],
)
def test_what_real_files_are_full_of_means_nothing(line: str) -> None:
    assert meaning(line) is None


def test_a_complaint_is_of_the_page_that_is_done_after_it_and_counts_once() -> None:
    reader = ComplaintReader()
    reader.feed(OUTPUT)
    first, second, third, fourth = reader.of_pages(4)
    assert first == fourth == ()
    assert [complaint.text for complaint in second] == ["Did no succeed opening JPX Stream."]
    assert [complaint.text for complaint in third] == [
        "No font in show",
        "Unexpected end of file in flate stream",
    ]
    assert first_of(third, Effect.PART) == third[1]
    assert first_of(third, Effect.WHOLE_IMAGE) is None


@given(st.lists(st.integers(0, len(OUTPUT))))
def test_it_does_not_matter_in_which_blocks_the_output_comes(cuts: list[int]) -> None:
    whole, parts = ComplaintReader(), ComplaintReader()
    whole.feed(OUTPUT)
    places = [0, *sorted(cuts), len(OUTPUT)]
    for start, end in pairwise(places):
        parts.feed(OUTPUT[start:end])
    assert parts.of_pages(4) == whole.of_pages(4)


def test_pages_that_nothing_was_said_of_have_no_complaints() -> None:
    assert ComplaintReader().of_pages(3) == [(), (), ()]


def test_a_program_that_complains_for_ever_is_kept_in_bounds() -> None:
    reader = ComplaintReader()
    for number in range(MAX_COMPLAINTS * 3):
        reader.feed(b"Syntax Error (%d): Unknown filter 'F%d'\n" % (number, number))
    reader.feed(b"x" * MAX_LINE_BYTES * 100)
    reader.feed(b"\n1 2 page\n" + b"noise\n" * MAX_LINES + b"Syntax Error: Unknown filter 'late'\n2 2 page\n")
    first, second = reader.of_pages(2)
    assert len(first) == MAX_COMPLAINTS
    assert second == ()
