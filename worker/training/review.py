"""TEMPORARY"""

from pathlib import Path


def write_review(path: Path, manifest, documents, records) -> None:  # type: ignore
    path.write_text("<html>")
