"""JSON Schemas of both annotation formats, made from the models that read them. Pure.

For people who write these files and for editors that check them while they are typed. What a schema cannot say
(numbers that repeat, pages that the PDF lacks, boxes outside their page) `python3 -m training.annotations validate`
finds. https://json-schema.org/draft/2020-12/schema
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from training.badgerdoc.document import Page
from training.badgerdoc.platform_document import PlatformPage
from training.badgerdoc.reader import BADGERDOC, PLATFORM
from training.badgerdoc.schema_parts import PlainSchema

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = "#/$defs/{model}"


def badgerdoc_schema() -> Schema:
    """The schema of a document in the BadgerDoc format (`document.py`)."""
    return _schema("Annotations of one document in the BadgerDoc format", Page)


def platform_schema() -> Schema:
    """The schema of a document in the platform's format (`platform_document.py`)."""
    return _schema("Annotations of one document in the format of the BadgerDoc platform", PlatformPage)


SCHEMAS: Mapping[str, Callable[[], Schema]] = {BADGERDOC: badgerdoc_schema, PLATFORM: platform_schema}


def _schema(title: str, page: type[BaseModel]) -> Schema:
    # The reader takes a document apart itself, page by page, so no model stands for the whole of it.
    found = page.model_json_schema(mode="validation", ref_template=_DEFINITIONS, schema_generator=PlainSchema)
    definitions = {**found.pop("$defs", {}), page.__name__: found}
    for definition in definitions.values():
        definition.pop("title", None)
    return {
        "$schema": _DIALECT,
        "title": title,
        "description": "Fields that are not listed here are ignored.",
        "type": "object",
        "required": ["pages"],
        "properties": {
            "pages": {
                "description": "The annotated pages in any order. Pages that are not listed are left out.",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": _DEFINITIONS.format(model=page.__name__)},
            }
        },
        "$defs": dict(sorted(definitions.items())),
    }
