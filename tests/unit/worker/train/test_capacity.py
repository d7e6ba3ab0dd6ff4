"""Whether a training has room."""

import pytest

from training.errors import ConfigError
from training.train.capacity import MEBIBYTE, Need, check_room, optimizer_states

NEED = Need(weight_bytes=100 * MEBIBYTE, states=1)


def check(*, disk_mebibytes: int = 800, memory_mebibytes: int = 300) -> None:
    check_room(
        NEED,
        free_disk_bytes=disk_mebibytes * MEBIBYTE,
        disk="/work",
        memory_bytes=memory_mebibytes * MEBIBYTE,
        memory="The GPU",
    )


def test_what_is_just_enough_is_enough() -> None:
    check()


def test_a_disk_without_room_for_the_checkpoints_is_refused() -> None:
    with pytest.raises(ConfigError, match="/work has 799 MiB free, and checkpoints of 200 MiB need 800 MiB"):
        check(disk_mebibytes=799)


def test_memory_without_room_for_the_network_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"The GPU has 299 MiB, .* needs 300 MiB"):
        check(memory_mebibytes=299)


@pytest.mark.parametrize(("kind", "states"), [("SGD", 1), ("AdamW", 2), ("Adam", 2), ("Lion", 1)])
def test_optimizers_keep_one_or_two_numbers_for_each_weight(kind: str, states: int) -> None:
    assert optimizer_states(kind) == states
