"""JSON Schema as far as the schemas of the annotation formats use it.

https://json-schema.org/draft/2020-12/json-schema-validation
"""

from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]
_ANNOTATIONS = {"$schema", "$defs", "title", "description", "default"}


def accepts(schema: Schema, value: Any) -> bool:
    """Whether `schema`, a whole one with its `$defs`, takes `value`. Raises KeyError for a keyword not known here."""
    return _accepts(schema, value, schema)


def _accepts(schema: Schema, value: Any, root: Schema) -> bool:
    return all(
        _KEYWORDS[keyword](argument, value, schema, root)
        for keyword, argument in schema.items()
        if keyword not in _ANNOTATIONS
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == int(value),
}


def _properties(of_name: Mapping[str, Schema], value: Any, root: Schema) -> bool:
    return not isinstance(value, dict) or all(
        _accepts(of_name[name], item, root) for name, item in value.items() if name in of_name
    )


def _prefix(schemas: list[Schema], value: Any, root: Schema) -> bool:
    return not isinstance(value, list) or all(
        _accepts(one, item, root) for one, item in zip(schemas, value, strict=False)
    )


# Each with the keyword's argument, the value, the schema that holds the keyword, and the whole schema.
_KEYWORDS: dict[str, Callable[[Any, Any, Schema, Schema], bool]] = {
    "type": lambda name, value, _, __: _TYPES[name](value),
    "enum": lambda choices, value, _, __: value in choices,
    "minimum": lambda least, value, _, __: not _is_number(value) or value >= least,
    "required": lambda names, value, _, __: not isinstance(value, dict) or value.keys() >= set(names),
    "properties": lambda of_name, value, _, root: _properties(of_name, value, root),
    "items": lambda one, value, _, root: (
        not isinstance(value, list) or all(_accepts(one, item, root) for item in value)
    ),
    "prefixItems": lambda schemas, value, _, root: _prefix(schemas, value, root),
    "minItems": lambda least, value, _, __: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda most, value, _, __: not isinstance(value, list) or len(value) <= most,
    "anyOf": lambda schemas, value, _, root: any(_accepts(one, value, root) for one in schemas),
    "allOf": lambda schemas, value, _, root: all(_accepts(one, value, root) for one in schemas),
    "not": lambda one, value, _, root: not _accepts(one, value, root),
    "if": lambda one, value, schema, root: not _accepts(one, value, root) or _accepts(schema["then"], value, root),
    "then": lambda *_: True,  # only where there is an "if"
    "$ref": lambda place, value, _, root: _accepts(root["$defs"][place.removeprefix("#/$defs/")], value, root),
}
