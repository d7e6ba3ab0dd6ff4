"""A document's annotations on disk, page by page: in memory they would grow with the document."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.annotations.badgerdoc import Page, check_unique
from training.annotations.reader import PageText


@dataclass(frozen=True)
class _Place:
    start: int
    length: int
    index: int
    annotation_format: str


class PageFile:
    """The pages by their numbers, each read when it is asked for."""

    def __init__(self, path: Path, texts: Iterable[PageText]) -> None:
        """Writes `path`. Raises DocumentError (schema) for a page that cannot be read, or that is there twice."""
        self._path = path
        self._places: dict[int, _Place] = {}
        numbers = []
        with path.open("wb") as file:
            for text in texts:
                numbers.append(text.read().page_num)
                start = file.tell()
                length = file.write(text.text.encode("utf-8", errors="surrogatepass"))
                self._places[numbers[-1]] = _Place(start, length, text.index, text.annotation_format)
        check_unique(numbers)
        self.numbers = sorted(numbers)

    def read(self, number: int) -> Page:
        """The page of that number."""
        place = self._places[number]
        with self._path.open("rb") as file:
            file.seek(place.start)
            text = file.read(place.length).decode("utf-8", errors="surrogatepass")
        return PageText(text, place.index, place.annotation_format).read()
