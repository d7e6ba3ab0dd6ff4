"""Where source may stand and whom it may know: what no linter holds."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import REPOSITORY

MOST_LINES_OF_A_MODULE = 400
MOST_MODULES_OF_A_FOLDER = 13


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            yield path.relative_to(REPOSITORY)


def imports(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in it; `from a import b` is both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((REPOSITORY / path).read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            found.update({origin, *(f"{origin}.{alias.name}" for alias in node.names)})
    return found


def test_no_test_module_imports_another() -> None:
    wrong = {
        f"{path} imports {name}"
        for path in modules("tests")
        for name in imports(path)
        if name.startswith(("tests.", ".")) and any(part.startswith("test_") for part in name.split("."))
    }
    assert wrong == set()


def test_hack_imports_nothing_of_the_tests() -> None:
    wrong = {f"{path} imports {name}" for path in modules("hack") for name in imports(path) if name.startswith("tests")}
    assert wrong == set()


def test_no_folder_of_the_worker_is_crowded() -> None:
    count = Counter(path.parent.as_posix() for path in modules("worker/training"))
    assert {folder for folder, number in count.items() if number > MOST_MODULES_OF_A_FOLDER} == set()


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lines = {
        path: (REPOSITORY / path).read_bytes().count(b"\n") for path in modules("operator", "worker", "tests", "hack")
    }
    assert {path for path, number in lines.items() if number > MOST_LINES_OF_A_MODULE} == set()
