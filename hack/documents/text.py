"""The words, numbers and fonts of drawn documents, and how text is fitted and broken into lines."""

import random
from pathlib import Path

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont

VOCABULARY = """
annual average balance capital change cost country current demand district energy estimate export figure forecast gross
growth income index industry interest labour level market measure monthly net number output part period price product
quarter range rate region report result revenue sales sample sector service share size source stock supply target tax
total trade trend unit value volume weight year
"""
WORDS = VOCABULARY.split()
UNITS = ("%", "kg/year", "EUR million", "days", "per 1,000", "index", "t")
# The regular and the bold face.
FONTS = (
    ("Helvetica", "Helvetica-Bold"),
    ("Helvetica", "Helvetica-Bold"),
    ("Times-Roman", "Times-Bold"),
    ("Times-Roman", "Times-Bold"),
    ("Vera", "VeraBd"),
    ("Courier", "Courier-Bold"),
)
_EMBEDDED = ("Vera", "VeraBd")  # TrueType; reportlab ships them


def register_fonts() -> None:
    """Make the embedded fonts known to reportlab."""
    for name in _EMBEDDED:
        if name not in pdfmetrics.getRegisteredFontNames():
            path = Path(reportlab.__file__).parent / "fonts" / f"{name}.ttf"
            pdfmetrics.registerFont(TTFont(name, path))


def number(rng: random.Random) -> str:
    """A figure as tables hold them: a count, a share, an amount."""
    return rng.choice(
        (
            f"{rng.randint(1, 999)}",
            f"{rng.uniform(0, 100):.1f}",
            f"{rng.randint(1000, 99999):,}",
            f"{rng.uniform(0, 100):.1f} %",
            f"{rng.uniform(-9, 9):+.2f}",
        )
    )


def label(rng: random.Random, words: int | None = None) -> str:
    """One or two words, or so many, as a row or a column is called."""
    return " ".join(rng.choice(WORDS) for _ in range(words or rng.randint(1, 2))).capitalize()


def sentence(rng: random.Random, words: int) -> str:
    """So many words with a full stop."""
    return label(rng, words) + "."


def fitting(text: str, font: str, size: float, width: float) -> str:
    """The text without the words, then the letters, that do not fit into `width` points."""
    while text and stringWidth(text, font, size) > width:
        text = text.rpartition(" ")[0] or text[:-1]
    return text.rstrip(",.")


def wrapped(text: str, font: str, size: float, width: float, most: int) -> list[str]:
    """The text broken into lines of at most `width` points, the first `most` of them."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if stringWidth(longer, font, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = fitting(word, font, size, width)
    if line:
        lines.append(line)
    return lines[:most]


def line_of_words(rng: random.Random, font: str, size: float, width: float) -> str:
    """A line of running text that nearly fills `width` points."""
    words: list[str] = []
    target = width * rng.uniform(0.75, 1.0)
    while stringWidth(" ".join(words), font, size) < target:
        words.append(rng.choice(WORDS))
    return " ".join(words[:-1]).capitalize()
