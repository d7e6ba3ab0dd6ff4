"""Pages that ask for another program."""

import pytest

from training.documents.undrawn.placeholder import MAX_WORDS, is_placeholder
from training.geometry import Box, Word

XFA = """Please wait... If this message is not eventually replaced by the proper contents of the document, your PDF
viewer may not be able to display this type of document. You can upgrade to the latest version of Adobe Reader for
Windows®, Mac, or Linux® by visiting http://www.adobe.com/go/reader_download."""
XFA_GERMAN = "Bitte warten... Neueste Version von Adobe Reader unter http://www.adobe.com/go/reader_download."
PORTFOLIO = (
    "For the best experience, open this PDF portfolio in Acrobat X or Adobe Reader X, or later. Get Adobe Reader"
)


def words(text: str) -> list[Word]:
    return [Word(Box(0, 0, 9, 9), part) for part in text.split()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (XFA, True),
        (XFA_GERMAN, True),
        (PORTFOLIO, True),
        ("", False),
        ("Please wait for the next report. Total 1,204", False),
        ("Adobe Reader 12 7 3", False),
        # A handbook of PDF quotes it.
        (XFA + " word" * MAX_WORDS, False),
    ],
)
def test_a_page_that_only_asks_for_another_program_is_told_from_one_with_content(text: str, expected: bool) -> None:
    assert is_placeholder(words(text)) is expected
