"""Keeps a document's annotations on disk, page by page, so that memory does not grow with the document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training.badgerdoc.document import Page, check_unique
from training.badgerdoc.reader import PageText
from training.documents.render import PAGES_PER_CHUNK


@dataclass(frozen=True)
class _Place:
    start: int
    length: int
    index: int
    annotation_format: str


class PageFile:
    """The pages by number, read from the file on demand."""

    def __init__(self, path: Path, texts: Iterable[PageText]) -> None:
        """Writes the pages to `path`. Raises DocumentError (schema): no page, a page twice, a page that is invalid."""
        self._path = path
        self._places: dict[int, _Place] = {}
        # Kept so that they are not parsed twice: most documents have no more pages, and these are mostly read first.
        self._first: dict[int, Page] = {}
        numbers: list[int] = []
        with path.open("wb") as file:
            for text in texts:
                page = text.read()
                if len(numbers) < PAGES_PER_CHUNK:
                    self._first[page.page_num] = page
                numbers.append(page.page_num)
                start = file.tell()
                length = file.write(text.text.encode("utf-8", errors="surrogatepass"))
                self._places[numbers[-1]] = _Place(start, length, text.index, text.annotation_format)
        check_unique(numbers)
        self.numbers = sorted(numbers)

    def each(self) -> Iterator[Page]:
        """The pages in order, one after the other."""
        for number in self.numbers:
            yield self._first.get(number) or self._from_disk(number)

    def read(self, numbers: Iterable[int]) -> dict[int, Page]:
        """The pages with these numbers."""
        first, self._first = self._first, {}  # from now on, only the caller keeps pages in memory
        return {number: first.get(number) or self._from_disk(number) for number in numbers}

    def _from_disk(self, number: int) -> Page:
        place = self._places[number]
        with self._path.open("rb") as file:
            file.seek(place.start)
            text = file.read(place.length).decode("utf-8", errors="surrogatepass")
        return PageText(text, place.index, place.annotation_format).read()
