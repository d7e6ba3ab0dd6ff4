"""Typed errors of the worker, each with the exit code that the operator reads.

The exit codes are a contract (docs/architecture.md, "Exit codes of the worker"): the operator fails a run at once on
64, 65, 66 and 77, tries another node after 69, retries after 75 and 124 and once after 86, and resumes after 143. Every
message is one sentence that says what happened and what to do next, since it is all that a person sees in
`kubectl get trainingrun -o yaml`.
"""

# ruff: noqa: N818 - the class names are the contract's reasons

import errno
import os
import re
from dataclasses import dataclass
from typing import ClassVar

MAX_MESSAGE_CHARACTERS = 1000


class WorkerError(Exception):
    """Base of the worker's errors: an exit code, a reason (a CamelCase word for conditions), a message for people."""

    exit_code: ClassVar[int] = 1
    reason: ClassVar[str] = "UserError"


class ConfigError(WorkerError):
    """An option, an environment variable or a config is wrong: only its author can fix it."""

    exit_code = 64
    reason = "ConfigError"


class DataError(WorkerError):
    """The input data cannot be used: a broken PDF, invalid annotations, an empty dataset."""

    exit_code = 65
    reason = "DataError"


class NotFound(WorkerError):
    """A bucket, an object, a folder or a file does not exist."""

    exit_code = 66
    reason = "NotFound"


class GPUUnavailable(WorkerError):
    """Fewer GPUs can be used than were asked for: a node, its driver, the pod or the image is not fit for them."""

    exit_code = 69
    reason = "GPUUnavailable"


class Transient(WorkerError):
    """Something outside the worker failed and may work later: S3 answers 5xx, DNS, a connection, a full disk."""

    exit_code = 75
    reason = "Transient"


class LostContact(Transient):
    """The processes of a training cannot reach each other any more, most likely because one of them failed."""

    reason = "LostContact"


class GPUFault(Transient):
    """A GPU failed while it computed, as broken hardware does; another one may do."""

    reason = "GPUFault"


class Forbidden(WorkerError):
    """Credentials are missing, wrong, expired, or lack a permission."""

    exit_code = 77
    reason = "Forbidden"


class CudaOOM(WorkerError):
    """The GPU has too little memory for this configuration."""

    exit_code = 86
    reason = "CudaOOM"


class Stalled(WorkerError):
    """The work has made no step for so long that it must hang."""

    exit_code = 124  # that of timeout(1)
    reason = "Stalled"


class Interrupted(BaseException):
    """SIGTERM arrived: a preemption, a drain or a suspended run. The next attempt continues the work.

    Like KeyboardInterrupt it is no Exception: boto3 would take an Exception for a failed request and retry.
    """

    exit_code: ClassVar[int] = 143
    reason: ClassVar[str] = "Interrupted"


@dataclass(frozen=True)
class Failure:
    """How a command failed, for the termination message. `expected` is false for a bug or an unknown error."""

    exit_code: int
    reason: str
    message: str
    expected: bool


def one_line(text: str) -> str:
    """`text` on one line, cut to MAX_MESSAGE_CHARACTERS, which fit in a condition's message."""
    joined = " ".join(text.split())
    return joined if len(joined) <= MAX_MESSAGE_CHARACTERS else joined[: MAX_MESSAGE_CHARACTERS - 1] + "…"


def describe_failure(error: BaseException) -> Failure:
    """Maps any exception to its exit code, reason and one-line message."""
    known = error if isinstance(error, (WorkerError, Interrupted)) else _as_worker_error(error)
    if known is not None:
        return Failure(known.exit_code, known.reason, one_line(str(known)), expected=True)
    if isinstance(error, KeyboardInterrupt):
        return Failure(130, "Interrupted", "interrupted from the keyboard", expected=True)
    name = type(error).__name__
    message = one_line(f"{name}: {error}" if str(error) else name)
    return Failure(WorkerError.exit_code, WorkerError.reason, message, expected=False)


def as_typed(error: BaseException) -> BaseException:
    """`error` as WorkerError or Interrupted: itself, its typed equivalent, or a WorkerError whose message names it."""
    if isinstance(error, (WorkerError, Interrupted)):
        return error
    known = _as_worker_error(error)
    return known if known is not None else WorkerError(describe_failure(error).message)


def _as_worker_error(error: BaseException) -> WorkerError | None:
    """The typed equivalent of a known exception of Python or torch, else None."""
    if isinstance(error, RuntimeError):
        return _by_words(error)
    text = str(error)
    if isinstance(error, (ConnectionError, TimeoutError)):
        return Transient(f"A connection failed; try again later: {text or type(error).__name__}")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f" while writing {error.filename}" if error.filename else ""
        return Transient(f"The disk is full{place}; free space or enlarge the volume.")
    return None


def _by_words(error: RuntimeError) -> WorkerError | None:
    """The typed equivalent of a failure of torch, or of a library below it, by its words: all are RuntimeErrors, whose
    subclasses only torch can name, and importing torch takes seconds.
    """
    cause: BaseException | None = error
    while cause is not None:  # where a data worker dies, only the cause of torch's error says of what
        text = f"{type(cause).__name__}: {cause}"
        for words, kind, sentence in _SIGNS:
            if words.search(text):
                return kind(f"{sentence}: {cause}")
        if _SHARED_MEMORY.search(text):
            return ConfigError(f"There is too little shared memory; {_more_shared_memory()}: {cause}")
        if _LOST_CONTACT.search(text):
            return LostContact(f"The training processes lost contact; the run is tried again: {cause}")
        cause = cause.__cause__
    return None


def _more_shared_memory() -> str:
    in_a_pod = "TRAINING_RUN_NAME" in os.environ
    more = "raise training.podTemplate.resources.limits.memory" if in_a_pod else "raise docker's --shm-size"
    return f"{more}, or set train_dataloader.num_workers=0 in the config"


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


# In the order in which they are tried: NCCL, for one, also tells of the failures of a GPU.
_SIGNS: tuple[tuple[re.Pattern[str], type[WorkerError], str], ...] = (
    (
        _any_of(
            "OutOfMemoryError",
            "CUDA out of memory",
            r"CUDA (?:driver )?error: out of memory",
            r"Cuda failure (?:\d+ )?'out of memory'",
            r"(?:CUBLAS|CUDNN|CUSOLVER|CUFFT)\w*_ALLOC\w*_FAILED",
        ),
        CudaOOM,
        "The GPU ran out of memory; use smaller images, a smaller model or a larger GPU",
    ),
    (
        _any_of(
            r"\bECC error",
            "uncorrectable",
            "unspecified launch failure",
            "illegal memory access",
            "illegal instruction was encountered",
            "misaligned address",
            "hardware (?:stack )?error",
            "fallen off the bus",
            "(?:device|GPU) (?:is |was )?lost",
            "busy or unavailable",
            "CUDA error: unknown error",
            r"\bXid\b",
        ),
        GPUFault,
        "The GPU failed; the run is tried again on another node",
    ),
    (
        _any_of(
            "no CUDA-capable device",
            "No CUDA GPUs are available",
            "Found no NVIDIA driver",
            "NVIDIA driver on your system is too old",
            "CUDA driver initialization failed",
            "invalid device ordinal",
            "no kernel image is available",
        ),
        GPUUnavailable,
        "A GPU that was asked for cannot be used; check the node's driver and the image",
    ),
)
_LOST_CONTACT = _any_of("NCCL", "gloo", "Connection closed by peer", "Dist(?:Backend|Network|Store)Error")
_SHARED_MEMORY = _any_of(
    "killed by signal: Bus error",
    "shared memory segment /dev/shm",  # NCCL's
    r"unable to [^<]*</torch_\w+>[^:]*: (?!Too many open files)",
    "torch_shm_manager",
)
