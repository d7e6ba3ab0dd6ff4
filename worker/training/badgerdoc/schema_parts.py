"""What pydantic must be told so that the JSON Schemas of the formats say what their models take. Pure."""

from collections.abc import Callable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema


class PlainSchema(GenerateJsonSchema):
    """Without titles, which would only repeat the fields' names, and without the underscores of private models."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).lstrip("_")


def either_name(*names: str) -> Callable[[dict[str, Any]], None]:
    """Adds to a model's schema that a field may have any of `names`; by itself, pydantic says the first alone.

    If the field is required, then it is under one of them.
    """

    def say(schema: dict[str, Any]) -> None:
        properties = schema["properties"]
        properties.update(dict.fromkeys(names[1:], properties[names[0]]))
        if names[0] in schema.get("required", ()):
            schema["required"].remove(names[0])
            schema["anyOf"] = [{"required": [name]} for name in names]

    return say
