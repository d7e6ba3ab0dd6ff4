"""Content types of stored objects: without one, a browser downloads an object from S3 instead of showing it."""

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

    The table is fixed, since Python's own differs from machine to machine.
    """
    return _BY_SUFFIX.get(PurePosixPath(key).suffix.lower(), UNKNOWN)
