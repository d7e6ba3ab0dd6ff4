"""Writes docs/api-reference.md, every field of the TrainingRun, from its CRD.

make api-reference
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CRD = ROOT / "crds" / "trainingruns.yaml"
PAGE = ROOT / "docs" / "api-reference.md"
Schema = dict[str, Any]

HEAD = """# API reference

Every field of `training.badgerdoc.dev/v1alpha1`, kind `TrainingRun`; [trainingrun.md](trainingrun.md) explains how they
work together. This page is made from [the CRD](../crds/trainingruns.yaml) by `make api-reference`.

- **default**: what a field is where it is left out; *required* ones can't be, within what they are part of.
- **changes**: until when a field may be edited. *before the start*: until `status.startTime` is set.
- `[]` is each item of a list, `{}` each value of a map.
"""
SELECT = """
## Selecting runs

`kubectl get trainingruns --field-selector` takes {fields}, beside `metadata.name` and
`metadata.namespace`. Kubernetes 1.31 and later serve that; 1.30 ignores this part of the CRD and refuses the selector.
"""


@dataclass(frozen=True)
class Row:
    """A field in its table."""

    path: str
    node: Schema
    required: bool
    rules: tuple[str, ...]


def schema_of(crd: Schema) -> Schema:
    """The schema of the version that is served."""
    found: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def rules_of(node: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """Each CEL rule below a node: the path of the field that it is about, and its message."""
    for rule in node.get("x-kubernetes-validations", ()):
        yield path + rule.get("fieldPath", ""), rule["message"]
    for name, child in children(node):
        yield from rules_of(child, path + name)


def children(node: Schema) -> Iterator[tuple[str, Schema]]:
    """What a node holds, by what its path is to be followed by."""
    for name, child in node.get("properties", {}).items():
        yield f".{name}", child
    if "items" in node:
        yield "[]", node["items"]
    if "additionalProperties" in node:
        yield "{}", node["additionalProperties"]


def rows_below(node: Schema, path: str, rules: dict[str, list[str]]) -> Iterator[Row]:
    """The fields below a node, each before its own parts."""
    for name, child in children(node):
        child_path = path + name
        # An item that is no object has nothing to say but its limits.
        required = name.removeprefix(".") in node.get("required", ())
        yield Row(child_path, child, required, tuple(rules.get(child_path, ())))
        yield from rows_below(child, child_path, rules)


def type_of(node: Schema) -> str:
    """The type in words, with its limits."""
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"] if value != "") + (" or empty" * ("" in node["enum"]))
    name = "integer or string" if node.get("x-kubernetes-int-or-string") else node["type"]
    if "additionalProperties" in node:
        name = "map"
    name = {"array": "list", "date-time": "time"}.get(node.get("format", ""), {"array": "list"}.get(name, name))
    limits = [
        _range(node.get("minimum"), node.get("maximum"), ""),
        _range(node.get("minLength"), node.get("maxLength"), " characters"),
        _range(None, node.get("maxItems"), " items"),
        _range(None, node.get("maxProperties"), " entries"),
    ]
    return ", ".join([name, *(limit for limit in limits if limit)])


def _range(least: int | None, most: int | None, unit: str) -> str:
    if least is not None and most is not None:
        return f"{least} to {most}{unit}"
    if most is not None:
        return f"at most {most}{unit}"
    return f"at least {least}{unit}" if least is not None else ""


def default_of(row: Row) -> str:
    """What the field is where it is left out."""
    if row.required:
        return "*required*"
    if "default" not in row.node or row.node["default"] in ({}, ""):
        return ""
    value = row.node["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


IMMUTABLE = "is immutable once the run has started"


def changes_of(path: str, rules: dict[str, list[str]]) -> str:
    """Until when the spec's field may be edited: the rule of the field or of the nearest that it is part of decides."""
    parts = path.replace("[]", ".[]").replace("{}", ".{}").split(".")
    for end in range(len(parts), 1, -1):
        prefix = ".".join(parts[:end]).replace(".[]", "[]").replace(".{}", "{}")
        for message in rules.get(prefix, ()):
            if IMMUTABLE in message:
                return "before the start"
            if "only while spec.suspend is true" in message:
                return "before the start, or while suspended"
    return "at any time"


def is_of_changes(message: str) -> bool:
    """Whether a rule's message is told by the column "changes"."""
    return IMMUTABLE in message or "only while spec.suspend is true" in message


def sentence(message: str) -> str:
    """A rule's message; names of fields stay as they are."""
    return f"*{message.replace('must ', 'Must ', 1) if message.startswith('must ') else message}.*"


def table(rows: list[Row], below: str, rules: dict[str, list[str]], *, with_changes: bool) -> str:
    """Markdown. Paths are told from `below` on; `with_changes`: the fields are people's to edit."""
    head = ["field", "type", "default", *(["changes"] if with_changes else []), "meaning"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        name = row.path.removeprefix(below).removeprefix(".")
        told = [row.node.get("description", "")]
        told += [sentence(message) for message in row.rules if not is_of_changes(message)]
        if "pattern" in row.node:
            told.append(f"Must match `{row.node['pattern']}`.")
        changes = [changes_of(row.path, rules)] if with_changes else []
        lines.append([f"`{name}`", type_of(row.node), default_of(row), *changes, " ".join(told)])
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def sections(schema: Schema) -> Iterator[tuple[str, str]]:
    """The page's tables, each with its heading: one for each part of the spec and of the status."""
    rules: dict[str, list[str]] = {}
    for path, message in rules_of(schema):
        rules.setdefault(path, []).append(message)
    # Both stages have the same template, and rules of their own about what is in it.
    for path in [path for path in rules if path.startswith(".spec.training.podTemplate")]:
        known = rules.setdefault(path.replace("training", "preprocess", 1), [])
        known += [message for message in rules[path] if message not in known]
    for part, with_changes in ((".spec", True), (".status", False)):
        node = schema["properties"][part.removeprefix(".")]
        plain = [
            Row(f"{part}.{name}", child, name in node.get("required", ()), tuple(rules.get(f"{part}.{name}", ())))
            for name, child in node["properties"].items()
        ]
        text = node["description"] + "\n\n"
        yield f"## {part[1:]}", text + table(plain, part, rules, with_changes=with_changes)
        template = f"{part}.preprocess.podTemplate"
        for row in plain:
            below = [each for each in rows_below(row.node, row.path, rules) if not _is_in_template(each.path)]
            if below:
                yield f"### {row.path[1:]}", table(below, row.path, rules, with_changes=with_changes)
        if with_changes:
            pod = node["properties"]["preprocess"]["properties"]["podTemplate"]
            below = list(rows_below(pod, template, rules))
            text = "The same for `spec.preprocess.podTemplate` and `spec.training.podTemplate`.\n\n"
            yield "### podTemplate", text + table(below, template, rules, with_changes=with_changes)


def _is_in_template(path: str) -> bool:
    return ".podTemplate." in path


def page(crd: Schema) -> str:
    """The whole page."""
    fields = [f"`{each['jsonPath'].removeprefix('.')}`" for each in crd["spec"]["versions"][0]["selectableFields"]]
    named = "".join(f"- {sentence(message)}\n" for path, message in rules_of(schema_of(crd)) if not path)
    parts = [HEAD, named, SELECT.format(fields=" and ".join(fields))]
    parts += [f"\n{heading}\n\n{text}" for heading, text in sections(schema_of(crd))]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(yaml.safe_load(CRD.read_text())))
