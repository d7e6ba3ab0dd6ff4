"""Finds the image that a name in the file of a correction tool means. Pure.

C:\\pages\\a_0.jpg, s3://b/ttv/train/images/a_0.jpg       folders before it
https://h/a%20b_0.jpg?X-Amz-Signature=…                  a URL, escaped and with a query
/data/local-files/?d=train/images/a_0.jpg                Label Studio's local files
/tasks/1/presign/?fileuri=czM6Ly9iL2FfMC5qcGc=           Label Studio's cloud storage, in base64
upload/1/41bda93a-a_0.jpg, images/41bda93a__a_0.jpg      Label Studio's uploads; the images of its COCO export
a_0_jpg.rf.5f3c….jpg                                     Roboflow
Prüfbericht_0.jpg, in another of Unicode's normal forms  macOS, archives
"""

import base64
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from training.errors import DataError

_UPLOAD = re.compile(r"^[0-9a-f]{8}(?:-|__)")
_ROBOFLOW = re.compile(r"^(.+)_(\w+)\.rf\.\w+\.\w+$")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _compatible(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


def _safe(name: str) -> str:
    """As Label Studio names an uploaded file: without spaces and special characters, by Django's rule."""
    return re.sub(r"[^-\w.]", "", _compatible(name).strip().replace(" ", "_"))


# The closest form first: NFKC takes "²" for "2", which two names may differ by. https://unicode.org/reports/tr15/
_FORMS: tuple[Callable[[str], str], ...] = (_composed, _compatible, _safe)


class ImageNames:
    """The names of a dataset's images, found by what a tool made of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._by_form: list[dict[str, list[str]]] = [{} for _ in _FORMS]
        for name in sorted(self._names):
            for form, found in zip(_FORMS, self._by_form, strict=True):
                found.setdefault(form(name), []).append(name)

    def find(self, written: str) -> str | None:
        """The image's name in the dataset, or None. Raises DataError, which names them, if several may be meant."""
        readings = list(dict.fromkeys(name_readings(written)))
        for reading in readings:
            if reading in self._names:
                return reading
        for form, by_form in zip(_FORMS, self._by_form, strict=True):
            for reading in readings:
                found = by_form.get(form(reading), [])
                if len(found) > 1:
                    raise DataError(f"The image {written} may be {' or '.join(found)}; write which one it is.")
                if found:
                    return found[0]
        return None


def name_readings(written: str) -> Iterator[str]:
    """What the name that a tool wrote may be, without what it added: the most literal reading first."""
    names = [written]
    for address in _addresses(written):
        for text in (address, unquote(address)):
            names += [text.rpartition("/")[2], re.split(r"[/\\]", text)[-1]]
    yield from names
    for name in names:
        original = _ROBOFLOW.sub(r"\1.\2", name)
        yield from (_UPLOAD.sub("", name), original, _UPLOAD.sub("", original))


def _addresses(written: str) -> Iterator[str]:
    """The text itself, and as a URL its path and the file that its query names."""
    yield written
    try:
        url = urlsplit(written)
    except ValueError:
        return
    yield url.path
    query = parse_qs(url.query)
    yield from query.get("d", ())
    for encoded in query.get("fileuri", ()):
        try:
            yield base64.urlsafe_b64decode(encoded).decode()
        except ValueError:
            continue
