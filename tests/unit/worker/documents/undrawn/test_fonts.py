"""Fonts that are neither in the PDF nor here, and the words that they leave blank."""

import pytest

from training.documents.undrawn.fonts import CidFont, parse_charset, parse_cid_fonts, rare_words, words_without_glyphs
from training.geometry import Box, Word

FONTS = """\
name                                 type              encoding         emb sub uni object ID
------------------------------------ ----------------- ---------------- --- --- --- ---------
Helvetica                            Type 1            WinAnsi          no  no  no       2  0
STSong-Light                         CID Type 0        UniGB-UCS2-H     no  no  no       3  0
ABCDEF+SimSun                        CID TrueType      Identity-H       yes yes yes     12  0
A font with a name that is very long indeed CID Type 0C       Identity-H       yes yes no      14  0
MS-Gothic                            CID TrueType      90ms-RKSJ-H      no  no  no      [none]
"""
SUBSTITUTES = """\
name                                 object ID substitute font                      substitute font file
------------------------------------ --------- ------------------------------------ --------------------
Helvetica                                 2  0 NimbusSans-Regular                   /fonts/NimbusSans-Regular.otf
STSong-Light                              3  0 DejaVu Sans ExtraLight               /fonts/DejaVu Sans/Extra.ttf
"""


def word(text: str) -> Word:
    return Word(Box(0, 0, 9, 9), text)


def test_fonts_with_many_glyphs_are_found_with_what_stands_in_for_them() -> None:
    assert parse_cid_fonts(FONTS, SUBSTITUTES) == [
        CidFont("STSong-Light", "/fonts/DejaVu Sans/Extra.ttf"),
        CidFont("", None),
        CidFont("", None),
    ]
    assert parse_cid_fonts("", "") == []


def test_a_set_of_code_points_is_read_as_fontconfig_writes_it() -> None:
    assert parse_charset("20-7e a0 4e00-9fa5 ") == (range(0x20, 0x7F), range(0xA0, 0xA1), range(0x4E00, 0x9FA6))
    assert parse_charset("") == ()


@pytest.mark.parametrize(
    ("text", "is_rare"),
    [
        ("2019", False),
        ("größe", False),
        ("Ωμέγα", False),
        ("год", False),
        ("合计", True),
        ("2019年", True),
        ("한", True),
        ("。", False),
    ],
)
def test_latin_greek_cyrillic_and_signs_are_in_every_font(text: str, is_rare: bool) -> None:
    assert rare_words([word(text)]) == [word(text)] * is_rare
    assert words_without_glyphs([word(text)], [range(0x20, 0x7F)]) == [word(text)] * is_rare
    assert words_without_glyphs([word(text)], [range(0x20, 0x7F), range(0x3000, 0xE000)]) == []
