"""The annotations of one document, in whichever of the formats they are written."""

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from training.badgerdoc import Document, check_document, explain
from training.platform_format import PlatformDocument
from training.quarantine import DocumentError, Reason

AUTO, BADGERDOC, PLATFORM = "auto", "badgerdoc", "platform"
FORMATS = (AUTO, BADGERDOC, PLATFORM)
MAX_JSON_BYTES = 64 << 20  # a hundred thousand cells have ten
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _PageKeys(BaseModel):
    model_config = ConfigDict(extra="ignore")

    objs: object = None
    size: object = None


class _Sketch(BaseModel):
    """As much as tells the formats apart."""

    model_config = ConfigDict(extra="ignore")

    pages: list[_PageKeys] = []


def read_annotations(data: bytes, annotation_format: str = AUTO) -> Document:
    """The annotations in `data`, whose format is one of FORMATS.

    Raises DocumentError: schema with the path of the faulty field, or too_large.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DocumentError(
            Reason.TOO_LARGE,
            f"The JSON has {len(data) >> 20} MiB, more than {MAX_JSON_BYTES >> 20}; split the document.",
        )
    data = data.removeprefix(_BYTE_ORDER_MARK)
    found = _format_of(data) if annotation_format == AUTO else annotation_format
    try:
        if found == PLATFORM:
            return check_document(PlatformDocument.model_validate_json(data).document())
        return check_document(Document.model_validate_json(data))
    except ValidationError as error:
        raise DocumentError(
            Reason.SCHEMA, f"The JSON is not in the {found} format: {explain(error)}; export it again."
        ) from None
    except ValueError as error:
        raise DocumentError(Reason.SCHEMA, f"The JSON cannot be used: {error}; correct it.") from None


def _format_of(data: bytes) -> str:
    """By what the pages hold: the platform's have a size and objects, the extractor's a bbox and blocks."""
    if b'"objs"' not in data:
        return BADGERDOC
    try:
        sketch = _Sketch.model_validate(from_json(data))
    except ValueError:
        return BADGERDOC
    is_platform = any(page.objs is not None or page.size is not None for page in sketch.pages)
    return PLATFORM if is_platform else BADGERDOC
