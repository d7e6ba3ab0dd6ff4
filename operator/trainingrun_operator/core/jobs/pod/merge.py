"""Strategic merge of a pod's lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def merged(key: str, *lists: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All entries; of two with the same key the later one counts, as the operator's own do over a template's."""
    return list({entry[key]: entry for entries in lists for entry in entries}.values())
