"""What the CRD adds to the words that kubectl understands."""

from __future__ import annotations

import yaml

from tests.support.paths import CRD


def test_deleting_all_of_a_namespace_leaves_its_runs() -> None:
    names = yaml.safe_load(CRD.read_text())["spec"]["names"]
    assert "all" not in names.get("categories", [])
