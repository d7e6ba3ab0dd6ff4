"""The page of the API's fields, from a small CRD."""

from __future__ import annotations

from typing import Any

import pytest

from hack.api_reference import page, type_of

FIXED = "{} is immutable once the run has started; create another TrainingRun"
NAME = {"type": "string", "description": "A name.", "minLength": 1, "maxLength": 9}
TEMPLATE = {
    "type": "object",
    "description": "What a pod needs.",
    "properties": {"labels": {"type": "object", "maxProperties": 2, "additionalProperties": NAME}},
}
SCHEMA: dict[str, Any] = {
    "x-kubernetes-validations": [
        {"message": "metadata.name must be short"},
        {"message": FIXED.format("spec.training"), "fieldPath": ".spec.training"},
        {"message": "resources may be changed only while spec.suspend is true", "fieldPath": ".spec.training.more"},
        {"message": "status.phase stays", "fieldPath": ".status.phase"},
    ],
    "properties": {
        "spec": {
            "description": "What is wanted.",
            "required": ["training"],
            "properties": {
                "suspend": {"type": "boolean", "description": "Stops it.", "default": False},
                "training": {
                    "type": "object",
                    "description": "How.",
                    "required": ["epochs"],
                    "properties": {
                        "epochs": {"type": "integer", "description": "Epochs.", "minimum": 1, "maximum": 9},
                        "more": {"type": "string", "description": "a | b", "default": "x", "maxLength": 3},
                        "names": {
                            "type": "array",
                            "description": "Names.",
                            "maxItems": 2,
                            "items": {**NAME, "x-kubernetes-validations": [{"message": "must be a name"}]},
                        },
                        "podTemplate": TEMPLATE,
                    },
                },
                "preprocess": {"type": "object", "description": "First.", "properties": {"podTemplate": TEMPLATE}},
            },
        },
        "status": {
            "description": "What is known.",
            "properties": {"phase": {"type": "string", "description": "A word.", "enum": ["Pending", "Failed"]}},
        },
    },
}
CRD = {
    "spec": {"versions": [{"schema": {"openAPIV3Schema": SCHEMA}, "selectableFields": [{"jsonPath": ".status.phase"}]}]}
}


@pytest.mark.parametrize(
    "line",
    [
        "- *metadata.name must be short.*",
        "| `suspend` | boolean | `false` | at any time | Stops it. |",
        "| `training` | object | *required* | before the start | How. |",
        "| `epochs` | integer, 1 to 9 | *required* | before the start | Epochs. |",
        "| `more` | string, at most 3 characters | `x` | before the start, or while suspended | a \\| b |",
        "| `names` | list, at most 2 items |  | before the start | Names. |",
        "| `names[]` | string, 1 to 9 characters |  | before the start | A name. *Must be a name.* |",
        "| `labels` | map, at most 2 entries |  | at any time |  |",
        "| `labels{}` | string, 1 to 9 characters |  | at any time | A name. |",
        "| `phase` | `Pending`, `Failed` |  | A word. *status.phase stays.* |",
    ],
)
def test_a_field_has_its_line(line: str) -> None:
    assert line in page(CRD).splitlines()


def test_each_part_has_its_table_and_the_pods_template_one_for_both_stages() -> None:
    headings = [line for line in page(CRD).splitlines() if line.startswith("#")]
    assert headings == [
        "# API reference",
        "## Selecting runs",
        "## spec",
        "### spec.training",
        "### spec.preprocess",
        "### podTemplate",
        "## status",
    ]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"type": "string", "format": "date-time", "maxLength": 40}, "time, at most 40 characters"),
        ({"type": "string", "enum": ["", "A"]}, "`A` or empty"),
        ({"x-kubernetes-int-or-string": True, "minimum": 0}, "integer or string, at least 0"),
    ],
)
def test_a_type_is_told_in_words(node: dict[str, Any], words: str) -> None:
    assert type_of(node) == words
