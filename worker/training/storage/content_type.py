"""What S3 is told of an object for browsers, which without it download an object instead of showing it."""

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
_OPENED = (".html", ".jpg", ".pdf", ".png", ".svg")  # by people; all else is read by programs


def content_type(key: str) -> str:
    """The Content-Type of an object by its key's suffix, in any case.

    The table is fixed, since Python's own differs from machine to machine.
    """
    return _BY_SUFFIX.get(PurePosixPath(key).suffix.lower(), UNKNOWN)


def written_as(key: str) -> dict[str, str]:
    """The arguments of boto3's writes that say what an object is: its type, and `inline` where people open it.

    Without `inline`, a console may offer even a picture as a download.
    """
    arguments = {"ContentType": content_type(key)}
    if PurePosixPath(key).suffix.lower() in _OPENED:
        arguments["ContentDisposition"] = "inline"
    return arguments
