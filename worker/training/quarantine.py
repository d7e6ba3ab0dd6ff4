"""Why a document is set aside. Pure.

The reasons are a contract (docs/preprocess.md, "When something is wrong"): they stand in the manifest and in the review
page, and documents set aside are counted by them.
"""

import enum
from dataclasses import dataclass

from training.errors import DataError


class Reason(enum.StrEnum):
    """One word of why a document cannot be used."""

    NO_JSON = "no_json"
    NO_PDF = "no_pdf"
    AMBIGUOUS_NAME = "ambiguous_name"
    SCHEMA = "schema"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    PAGE_MISSING = "page_missing"
    EMPTY_TABLE = "empty_table"
    COORDINATES = "coordinates"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    UNEXPECTED = "unexpected"  # a fault of ours


class DocumentError(DataError):
    """One document cannot be used. It is set aside; the run goes on unless too many are."""

    def __init__(self, cause: Reason, message: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class QuarantinedDocument:
    """A document that was set aside, and why: `message` is one sentence."""

    name: str
    reason: Reason
    message: str
