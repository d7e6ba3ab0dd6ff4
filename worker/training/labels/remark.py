"""What is odd about a page or a label: people look at it, and it stays in the dataset. Pure."""

import enum
from typing import NamedTuple

from training.geometry import Box


class RemarkKind(enum.StrEnum):
    """What a remark is about that is found while a page is prepared (docs/preprocess.md, "When something is wrong")."""

    TEXT_DIFFERS = "text_differs"
    TEXT_WITHOUT_LABEL = "text_without_label"
    TABLE_WITHOUT_CONTENT = "table_without_content"
    WORDS_WITHOUT_INK = "words_without_ink"
    UNDECODABLE_IMAGE = "undecodable_image"
    MISSING_GLYPHS = "missing_glyphs"
    PLACEHOLDER = "placeholder"


class Remark(NamedTuple):
    """One thing that is odd, in one sentence.

    Remarks are counted by `kind`. `box` is in pixels of the page's image, or None if the whole page is meant.
    """

    kind: str
    message: str
    box: Box | None = None
