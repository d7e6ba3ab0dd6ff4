"""Why a document is quarantined. Pure.

The reasons are a contract (docs/preprocess.md, "When something is wrong"): they stand in the manifest and in the review
page, and quarantined documents are counted by them.
"""

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from training.errors import DataError, WorkerError, one_line


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
    """One document cannot be used. It is quarantined; the run goes on unless too many are."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.quarantine_reason = reason  # beside `reason`, by which all errors of a kind are counted


@dataclass(frozen=True)
class QuarantinedDocument:
    """A document that is left out, and why: `message` is one sentence."""

    name: str
    reason: Reason
    message: str


logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def quarantine_faults(name: str, work: Callable[[], _Result]) -> _Result | QuarantinedDocument:
    """What `work` on the document `name` gives, or why it cannot be done.

    Never raises for a fault of the document. Raises WorkerError for one of this machine (ConfigError, Transient).
    """
    try:
        return work()
    except DocumentError as error:
        return QuarantinedDocument(name, error.quarantine_reason, one_line(str(error)))
    except MemoryError:
        # This process' memory is bounded, so that it is the document's doing and not the machine's.
        message = "The document takes more memory than one may; simplify the PDF or lower --dpi."
        return QuarantinedDocument(name, Reason.TOO_LARGE, message)
    except WorkerError:
        raise
    except Exception as error:
        logger.exception("%s: unexpected error", name)
        message = one_line(f"{type(error).__name__}: {error}; this is a fault of the worker, please report it.")
        return QuarantinedDocument(name, Reason.UNEXPECTED, message)


def killed(name: str) -> QuarantinedDocument:
    """Why a document is quarantined whose process was killed though it ran alone."""
    message = (
        "The process that drew it was killed, most likely for lack of memory; simplify the PDF, lower --dpi or give "
        "more memory."
    )
    return QuarantinedDocument(name, Reason.TOO_LARGE, message)
