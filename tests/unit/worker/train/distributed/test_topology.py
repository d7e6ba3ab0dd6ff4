"""Which rank a process is."""

import pytest

from training.errors import ConfigError
from training.train.distributed.topology import Topology

POD = {"TRAINING_NODES": "2", "JOB_COMPLETION_INDEX": "1", "MASTER_ADDR": "run-0.run"}
TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "a",
    "MASTER_PORT": "9",
}


def test_a_laptop_is_one_node_with_as_many_processes_as_asked_for() -> None:
    alone = Topology.from_env({}, processes=1)
    assert (alone.ranks, alone.rank, alone.is_main, alone.is_leader) == (1, 0, True, True)
    two = Topology.from_env({}, processes=2)
    assert [two.of_process(number).rank for number in range(2)] == [0, 1]
    assert [two.of_process(number).is_main for number in range(2)] == [True, False]


def test_a_pod_of_an_indexed_job_is_the_node_of_its_index() -> None:
    leader = Topology.from_env(POD, processes=4)
    assert (leader.ranks, leader.rank, leader.is_main, leader.is_leader) == (8, 4, False, True)
    assert (leader.address, leader.port) == ("run-0.run", 29500)
    assert leader.of_process(3).rank == 7
    assert not leader.started_elsewhere


def test_what_torchrun_says_counts_and_nothing_is_started_then() -> None:
    found = Topology.from_env(TORCHRUN, processes=1)
    assert (found.nodes, found.node, found.processes, found.process) == (2, 1, 4, 1)
    assert (found.rank, found.address, found.port, found.started_elsewhere) == (5, "a", 9, True)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TRAINING_NODES": "0"}, "at least 1"),
        ({"TRAINING_NODES": "two"}, "whole number"),
        ({"TRAINING_NODES": "2", "MASTER_ADDR": "a"}, "JOB_COMPLETION_INDEX must be within 0..1"),
        ({**POD, "JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETION_INDEX must be within 0..1"),
        ({**POD, "MASTER_ADDR": ""}, "needs MASTER_ADDR"),
        ({**TORCHRUN, "LOCAL_RANK": "0"}, "contradict each other"),
        ({**TORCHRUN, "WORLD_SIZE": "7"}, "contradict each other"),
        ({**TORCHRUN, "RANK": "9"}, "contradict each other"),
    ],
)
def test_what_contradicts_itself_is_refused(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Topology.from_env(environ, processes=1)
