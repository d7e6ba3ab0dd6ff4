"""Quarantines documents that cannot be used, each with a reason. Pure.

The reasons are a contract (docs/preprocess.md, "When something is wrong"): the manifest and the review page show them,
and quarantined documents are counted by them.
"""

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from training.errors import DataError, WorkerError, as_typed, describe_failure, one_line


class Reason(enum.StrEnum):
    """Why a document cannot be used, in one word."""

    NO_JSON = "no_json"
    NO_PDF = "no_pdf"
    AMBIGUOUS_NAME = "ambiguous_name"
    SCHEMA = "schema"
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    PAGE_MISSING = "page_missing"
    EMPTY_TABLE = "empty_table"
    COORDINATES = "coordinates"
    TEXT_MISMATCH = "text_mismatch"
    TOO_LARGE = "too_large"
    SHAPE = "shape"
    TIMEOUT = "timeout"
    UNEXPECTED = "unexpected"  # a bug in the worker


class DocumentError(DataError):
    """One document cannot be used. It is quarantined; the run goes on unless too many documents are."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.quarantine_reason = reason  # `reason` is the same for all errors of this class


@dataclass(frozen=True)
class QuarantinedDocument:
    """A document that is left out, with the reason and a message of one sentence."""

    name: str
    reason: Reason
    message: str


logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


def is_of_document(error: BaseException) -> bool:
    """Whether a failure while a document is worked on is that document's own, so that the others go on.

    What is no fault of any document: the known failures of the machine, its GPU, its disk and the storage, wrong
    options, and the end of the run. What nobody foresaw counts as the document's.
    """
    if isinstance(error, (DocumentError, MemoryError)):
        return True
    return isinstance(error, Exception) and not describe_failure(error).expected


def quarantine_faults(name: str, work: Callable[[], _Result]) -> _Result | QuarantinedDocument:
    """Returns the result of `work`, or if that fails because of the document `name`, the quarantined document.

    Raises nothing for a fault of the document, and WorkerError (ConfigError, Transient) for a fault of this machine.
    """
    try:
        return work()
    except DocumentError as error:
        return QuarantinedDocument(name, error.quarantine_reason, one_line(str(error)))
    except MemoryError:
        # The memory of this process is limited, so the document is at fault and not the machine.
        message = "The document takes more memory than one may; simplify the PDF or lower --dpi."
        return QuarantinedDocument(name, Reason.TOO_LARGE, message)
    except WorkerError:
        raise
    except Exception as error:
        if not is_of_document(error):
            raise as_typed(error) from error
        logger.exception("%s: unexpected error", name)
        message = one_line(f"{type(error).__name__}: {error}; this is a fault of the worker, please report it.")
        return QuarantinedDocument(name, Reason.UNEXPECTED, message)


def killed(name: str) -> QuarantinedDocument:
    """Quarantines a document whose process was killed even when it ran alone."""
    message = (
        "The process that drew it was killed, most likely for lack of memory; simplify the PDF, lower --dpi or give "
        "more memory."
    )
    return QuarantinedDocument(name, Reason.TOO_LARGE, message)
