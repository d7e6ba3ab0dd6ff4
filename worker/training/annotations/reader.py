"""The annotations of one document, in whichever of the formats they are written, page by page."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from training.annotations.badgerdoc import Page, explain
from training.annotations.badgerdoc_platform import PlatformPage
from training.annotations.json_stream import split_pages
from training.documents.quarantine import DocumentError, Reason

AUTO, BADGERDOC, PLATFORM = "auto", "badgerdoc", "platform"
FORMATS = (AUTO, BADGERDOC, PLATFORM)
MAX_JSON_BYTES = 64 << 20  # a hundred thousand cells have ten
# By these a page's format is told.
_PLATFORM_FIELDS, _BADGERDOC_FIELDS = {"objs", "size"}, {"blocks", "bbox"}


@dataclass(frozen=True)
class PageText:
    """The annotations of the page that is the `index`th in its file, as they are written there."""

    text: str
    index: int
    annotation_format: str

    def read(self) -> Page:
        """The page. Raises DocumentError (schema) with the path of the faulty field."""
        where = f"pages.{self.index}"
        try:
            if self.annotation_format == PLATFORM:
                return PlatformPage.model_validate_json(self.text).page(where)
            return Page.model_validate_json(self.text)
        except ValidationError as error:
            raise _not_in_format(self.annotation_format, explain(error, where)) from None
        except ValueError as error:
            raise DocumentError(Reason.SCHEMA, f"The JSON cannot be used: {error}; correct it.") from None


def page_texts(data: bytes, annotation_format: str = AUTO) -> Iterator[PageText]:
    """The pages in `data`, whose format is one of FORMATS, in the order of the file.

    Raises DocumentError: schema where it is no JSON or has no pages, too_large.
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
    """The error; a file that ends before its format was told is taken for BadgerDoc's."""
    name = BADGERDOC if annotation_format == AUTO else annotation_format
    return DocumentError(Reason.SCHEMA, f"The JSON is not in the {name} format: {what}; export it again.")
