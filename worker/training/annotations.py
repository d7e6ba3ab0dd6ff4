"""The annotations of one document, in whichever of the formats they are written."""

from training.badgerdoc import Document, parse_document

FORMATS = ("auto", "badgerdoc", "platform")
MAX_JSON_BYTES = 64 << 20


def read_annotations(data: bytes, annotation_format: str = "auto") -> Document:
    """TEMPORARY"""
    return parse_document(data)
