"""Pairs `pdfs/*.pdf` with `json/*.json` by their stems. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from training.documents.names import JSON_FOLDER, PDF_FOLDER, document_name, escaped, is_blank, is_writable
from training.documents.quarantine import QuarantinedDocument, Reason
from training.errors import DataError
from training.storage.base import StoredObject


@dataclass(frozen=True)
class Pair:
    """A document's two files."""

    name: str
    pdf: StoredObject
    json: StoredObject


@dataclass(frozen=True)
class Pairing:
    """All pairs, sorted by name; documents that cannot be paired; keys of files that belong to no document."""

    pairs: tuple[Pair, ...]
    quarantined: tuple[QuarantinedDocument, ...]
    ignored: tuple[str, ...]


def pair_documents(objects: Iterable[StoredObject]) -> Pairing:
    """Pairs the files directly in `pdfs/` and `json/`; extensions in any case, stems compared as Unicode (NFC)."""
    pdfs: dict[str, list[StoredObject]] = defaultdict(list)
    jsons: dict[str, list[StoredObject]] = defaultdict(list)
    ignored = []
    for item in objects:
        for folder, extension, found in ((PDF_FOLDER, ".pdf", pdfs), (JSON_FOLDER, ".json", jsons)):
            name = item.key.removeprefix(folder)
            if item.key.startswith(folder) and "/" not in name and name.lower().endswith(extension):
                found[document_name(name, extension)].append(item)
                break
        else:
            # A name that is not valid Unicode could not be written to the manifest.
            ignored.append(item.key.encode(errors="backslashreplace").decode())
    pairs = []
    quarantined = []
    for name in sorted(pdfs.keys() | jsons.keys()):
        reason = _unusable(name, pdfs.get(name, []), jsons.get(name, []))
        if reason is None:
            pairs.append(Pair(name, pdfs[name][0], jsons[name][0]))
        else:
            quarantined.append(reason)
    return Pairing(tuple(pairs), tuple(quarantined), tuple(sorted(ignored)))


def check_pairs(pairing: Pairing, source_uri: str) -> None:
    """Raises DataError, which names `source_uri`, if no two files have the same name."""
    reasons = Counter(document.reason for document in pairing.quarantined)
    if not pairing.pairs and not reasons[Reason.AMBIGUOUS_NAME]:
        raise DataError(
            f"No document to prepare in {source_uri}: {reasons[Reason.NO_JSON]} PDFs in its pdfs/ and "
            f"{reasons[Reason.NO_PDF]} files in its json/, but no two with the same name; check the source folder."
        )


def _unusable(name: str, pdfs: list[StoredObject], jsons: list[StoredObject]) -> QuarantinedDocument | None:
    if not is_writable(name):
        shown = escaped(name)
        return QuarantinedDocument(
            shown, Reason.AMBIGUOUS_NAME, f"The name {shown!r} holds control characters or is no Unicode; rename it."
        )
    if len(pdfs) > 1 or len(jsons) > 1 or is_blank(name):
        keys = ", ".join(item.key for item in pdfs + jsons)
        return QuarantinedDocument(
            name, Reason.AMBIGUOUS_NAME, f"The name {name!r} is not of one PDF and one JSON ({keys}); rename them."
        )
    if not jsons:
        return QuarantinedDocument(
            name, Reason.NO_JSON, f"{pdfs[0].key} has no {JSON_FOLDER}{name}.json; annotate it, or remove the PDF."
        )
    if not pdfs:
        return QuarantinedDocument(
            name, Reason.NO_PDF, f"{jsons[0].key} has no {PDF_FOLDER}{name}.pdf; add the PDF, or remove the JSON."
        )
    return None
