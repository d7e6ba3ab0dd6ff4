"""Conditions are short, whatever they are made from."""

from __future__ import annotations

from trainingrun_operator.core.conditions.conditions import clip

LONG = "ü" * 5000


def test_clipping_counts_bytes_and_never_cuts_a_letter() -> None:
    for limit in range(10, 40):
        clipped = clip(LONG, limit)
        assert len(clipped.encode()) <= limit
        assert clipped.endswith("…")
    assert clip("short", 10) == "short"
