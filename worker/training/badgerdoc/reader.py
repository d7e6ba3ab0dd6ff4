"""Reads the annotations of one document page by page, and detects in which of the two formats they are."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from training.badgerdoc.document import Page, explain, faults
from training.badgerdoc.json_stream import split_pages
from training.badgerdoc.platform_document import PlatformPage
from training.documents.quarantine import DocumentError, Reason

AUTO, BADGERDOC, PLATFORM = "auto", "badgerdoc", "platform"
FORMATS = (AUTO, BADGERDOC, PLATFORM)
MAX_JSON_BYTES = 64 << 20  # a hundred thousand cells have ten MiB
# Fields of a page that only one of the formats has.
_PLATFORM_FIELDS, _BADGERDOC_FIELDS = {"objs", "size"}, {"blocks", "bbox"}


@dataclass(frozen=True)
class PageText:
    """The JSON text of one page; `index` is its position in the file, from 0."""

    text: str
    index: int
    annotation_format: str

    def read(self) -> Page:
        """Parses the page. Raises DocumentError (schema) with the path of the faulty field."""
        where = f"pages.{self.index}"
        try:
            if self.annotation_format == PLATFORM:
                return PlatformPage.model_validate_json(self.text).page(where)
            return Page.model_validate_json(self.text)
        except ValidationError as error:
            raise _not_in_format(self.annotation_format, explain(error, where)) from None
        except ValueError as error:
            raise DocumentError(Reason.SCHEMA, f"The JSON cannot be used: {error}; correct it.") from None

    def faults(self) -> list[str]:
        """All faults of the page, each with the path of its field; `read` raises the first ones as one error."""
        where = f"pages.{self.index}"
        try:
            if self.annotation_format == PLATFORM:
                return PlatformPage.model_validate_json(self.text).faults(where)
            Page.model_validate_json(self.text)
        except ValidationError as error:
            return faults(error, where)
        return []


def page_texts(data: bytes, annotation_format: str = AUTO) -> Iterator[PageText]:
    """The pages in the JSON `data`, in the order of the file; `annotation_format` is one of FORMATS.

    Raises DocumentError (schema, if it is no JSON or has no list of pages; too_large).
    """
    if len(data) > MAX_JSON_BYTES:
        raise DocumentError(
            Reason.TOO_LARGE,
            f"The JSON has {len(data) >> 20} MiB, more than {MAX_JSON_BYTES >> 20}; split the document.",
        )
    found = annotation_format
    try:
        text = data.decode("utf-8-sig")
        if found == AUTO:
            found = _format_of(text)
        for index, page in enumerate(split_pages(text)):
            yield PageText(page.text, index, found)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_in_format(found, f"the file: Invalid JSON: {error}") from None
    except ValueError as error:
        raise _not_in_format(found, str(error)) from None


def _format_of(text: str) -> str:
    for page in split_pages(text):
        if page.fields & _PLATFORM_FIELDS:
            return PLATFORM
        if page.fields & _BADGERDOC_FIELDS:
            break
    return BADGERDOC


def _not_in_format(annotation_format: str, what: str) -> DocumentError:
    """The error; a file that failed before its format was detected is called BadgerDoc."""
    name = BADGERDOC if annotation_format == AUTO else annotation_format
    return DocumentError(Reason.SCHEMA, f"The JSON is not in the {name} format: {what}; export it again.")
