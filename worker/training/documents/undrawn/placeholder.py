"""Recognises pages that only say that another program shows the real content. Pure.

A dynamic XFA form holds its content as XML, which no renderer but Adobe's draws, and one page for all others: "Please
wait... If this message is not eventually replaced by the proper contents of the document, your PDF viewer may not be
able to display this type of document." The cover of a PDF portfolio is of the same kind.
"""

import re
from collections.abc import Sequence

from training.geometry import Word

MAX_WORDS = 200  # the longest of Adobe's own has 90
_SENTENCES = re.compile(
    r"not eventually replaced by the proper contents"
    # Adobe's own placeholders in other languages name the same addresses.
    r"|adobe\.com/go/(?:reader_download|acrreader)"
    r"|open this pdf portfolio in",
    re.IGNORECASE,
)


def is_placeholder(words: Sequence[Word]) -> bool:
    """Whether these words, all of a page, are those of a placeholder."""
    return 0 < len(words) <= MAX_WORDS and _SENTENCES.search(" ".join(word.text for word in words)) is not None
