"""Whatever goes wrong with a document in a process of the pool sets aside this document alone."""

import logging
from collections.abc import Callable
from typing import TypeVar

from training.errors import WorkerError, one_line
from training.quarantine import DocumentError, QuarantinedDocument, Reason

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


def set_aside_faults(name: str, work: Callable[[], _Result]) -> _Result | QuarantinedDocument:
    """What `work` on the document `name` gives, or why it cannot be done.

    Never raises for a fault of the document. Raises WorkerError for one of this machine (ConfigError, Transient).
    """
    try:
        return work()
    except DocumentError as error:
        return QuarantinedDocument(name, error.cause, one_line(str(error)))
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
    """Why a document is set aside whose process was killed though it ran alone."""
    message = (
        "The process that drew it was killed, most likely for lack of memory; simplify the PDF, lower --dpi or give "
        "more memory."
    )
    return QuarantinedDocument(name, Reason.TOO_LARGE, message)
