"""Pairs `pdfs/*.pdf` with `json/*.json` by their stems. Pure."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from training.errors import DataError
from training.storage import StoredObject

PDF_FOLDER, JSON_FOLDER = "pdfs/", "json/"


@dataclass(frozen=True)
class Pair:
    """A document's two files."""

    name: str
    pdf: StoredObject
    json: StoredObject


@dataclass(frozen=True)
class Pairing:
    """All pairs by name; stems that several files share (`a.pdf`, `a.PDF`); files whose partner is missing."""

    pairs: tuple[Pair, ...]
    ambiguous: tuple[str, ...]
    unmatched: tuple[str, ...]


def pair_documents(objects: Iterable[StoredObject], source_uri: str) -> Pairing:
    """Pairs the files directly in `pdfs/` and `json/`; extensions in any case, stems compared as Unicode (NFC).

    Raises DataError, which names `source_uri`, where nothing pairs.
    """
    pdfs: dict[str, list[StoredObject]] = defaultdict(list)
    jsons: dict[str, list[StoredObject]] = defaultdict(list)
    for item in objects:
        for folder, extension, found in ((PDF_FOLDER, ".pdf", pdfs), (JSON_FOLDER, ".json", jsons)):
            name = item.key.removeprefix(folder)
            if item.key.startswith(folder) and "/" not in name and name.lower().endswith(extension):
                # macOS decomposes accents in file names, other systems do not.
                found[unicodedata.normalize("NFC", name[: -len(extension)])].append(item)
    both = sorted(pdfs.keys() & jsons.keys())
    if not both:
        raise DataError(
            f"No document to prepare in {source_uri}: {len(pdfs)} PDFs in its pdfs/ and {len(jsons)} files in its "
            "json/, but no two with the same name; check the source folder."
        )
    clear = [name for name in both if len(pdfs[name]) == len(jsons[name]) == 1 and name.strip(". ")]
    alone = [item.key for name in pdfs.keys() ^ jsons.keys() for item in pdfs.get(name, []) + jsons.get(name, [])]
    return Pairing(
        pairs=tuple(Pair(name, pdfs[name][0], jsons[name][0]) for name in clear),
        ambiguous=tuple(name for name in both if name not in set(clear)),
        unmatched=tuple(sorted(alone)),
    )
