"""Finds the image that a name in an edited COCO file means. Pure."""

import unicodedata
from collections.abc import Iterable
from typing import Literal

# The canonical form first: the other one takes "²" for "2", which two names of a split may differ by.
_FORMS: tuple[Literal["NFC", "NFKC"], ...] = ("NFC", "NFKC")


class ImageNames:
    """The names of a split's images, found by what a tool made of them.

    macOS decomposes accents in file names (NFD), and some tools write compatibility forms (NFKC, NFKD): a name is found
    in any of them. Some tools write a whole path, of which the last part counts.
    https://unicode.org/reports/tr15/
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_form: dict[str, dict[str, list[str]]] = {form: {} for form in _FORMS}
        for name in names:
            for form in _FORMS:
                self._by_form[form].setdefault(unicodedata.normalize(form, name), []).append(name)

    def find(self, written: str) -> str | None:
        """The image's name in the dataset; None if no image has this name, or several may be meant."""
        endings = (written, written.rpartition("/")[2], written.rpartition("\\")[2])
        for form in _FORMS:
            for ending in endings:
                found = self._by_form[form].get(unicodedata.normalize(form, ending), [])
                if len(found) == 1:
                    return found[0]
        return None
