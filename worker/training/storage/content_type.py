"""What a browser makes of an object: without a type of its own, S3 has it downloaded instead of shown."""

from pathlib import PurePosixPath

UNKNOWN = "application/octet-stream"
_BY_SUFFIX = {
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python; charset=utf-8",
    ".svg": "image/svg+xml",
}


def content_type(key: str) -> str:
    """The Content-Type of an object by its key's suffix, in any case.

    The table is fixed: Python's own differs from machine to machine.
    """
    return _BY_SUFFIX.get(PurePosixPath(key).suffix.lower(), UNKNOWN)
