"""How much memory a process that reads PDFs may take."""

from pathlib import Path

import pytest

from training.process.limits import MAX_MEMORY_BYTES, MIN_MEMORY_BYTES, memory_share

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(
    ("limit", "processes", "expected"),
    [
        (3300 * MEBIBYTE, 1, 1650 * MEBIBYTE),
        (3300 * MEBIBYTE, 2, 1100 * MEBIBYTE),
        (3300 * MEBIBYTE, 64, MIN_MEMORY_BYTES),
        (256 * MEBIBYTE, 1, MIN_MEMORY_BYTES),
    ],
)
def test_the_processes_and_one_more_fit_into_the_container(
    file: str, limit: int, processes: int, expected: int, tmp_path: Path
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"{limit}\n")
    assert memory_share(processes, tmp_path) == expected


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096), None])
def test_without_a_limit_it_is_the_machine_that_they_fit_into(limit: str | None, tmp_path: Path) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    assert MIN_MEMORY_BYTES <= memory_share(1, tmp_path) <= MAX_MEMORY_BYTES
    assert memory_share(1_000_000, tmp_path) == MIN_MEMORY_BYTES
