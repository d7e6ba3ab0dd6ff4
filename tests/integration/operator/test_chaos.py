"""A short play of `make chaos` (docs/reliability.md): a minute of kills and faults, on a control plane of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.chaos.play import play

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    # The control plane is a child of this process.
    pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning"),
]

SEED, MINUTES, RUNS = 7, 0.6, 30


def test_whatever_is_killed_and_whichever_calls_fail_every_run_ends_as_its_pods_did(tmp_path: Path) -> None:
    one = play(SEED, MINUTES, RUNS, tmp_path)
    print(one.table())
    assert not one.broken, f"again: make chaos SEED={SEED} MINUTES={MINUTES} RUNS={RUNS}"
