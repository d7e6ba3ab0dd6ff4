"""The ranks (processes) of a training and the nodes (machines) they run on, read from the environment. Pure.

Each rank has a GPU of its own, or runs on CPUs. The first rank of a node is its leader: it checks and downloads what
the node's ranks read, and starts the others. The leader of the first node is the main rank: only it decides and writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from training.errors import ConfigError

DEFAULT_PORT = 29500  # torch's default


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Which rank this process is, among how many. `address` and `port` are those of the main rank."""

    nodes: int = 1
    node: int = 0
    processes: int = 1  # on each node
    process: int = 0
    address: str = "127.0.0.1"
    port: int = 0  # 0: any free port, for a single node
    started_elsewhere: bool = False  # torchrun has started the other ranks of this node

    @property
    def ranks(self) -> int:
        """The number of ranks on all nodes."""
        return self.nodes * self.processes

    @property
    def rank(self) -> int:
        """This process's rank, from 0, which is the main rank."""
        return self.node * self.processes + self.process

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def is_leader(self) -> bool:
        """Whether this is the first rank of its node."""
        return self.process == 0

    def of_process(self, process: int) -> "Topology":
        """Another rank of the same node."""
        return replace(self, process=process)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, processes: int) -> "Topology":
        """Read torchrun's variables, or those of a pod of an Indexed Job (docs/architecture.md).

        `processes` is the number of ranks on each node, unless torchrun started them. Raises ConfigError for variables
        that are missing, invalid or contradictory.
        """
        if "RANK" in environ and "WORLD_SIZE" in environ:
            local, process = _number(environ, "LOCAL_WORLD_SIZE", 1), _number(environ, "LOCAL_RANK", 0)
            ranks, rank = _number(environ, "WORLD_SIZE", 1), _number(environ, "RANK", 0)
            if local < 1 or ranks % local or not 0 <= process < local or rank % local != process or rank >= ranks:
                raise ConfigError("RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE contradict each other.")
            return cls(
                nodes=ranks // local,
                node=rank // local,
                processes=local,
                process=process,
                address=environ.get("MASTER_ADDR", "127.0.0.1"),
                port=_number(environ, "MASTER_PORT", DEFAULT_PORT),
                started_elsewhere=True,
            )
        nodes = _number(environ, "TRAINING_NODES", 1)
        if nodes < 1:
            raise ConfigError(f"TRAINING_NODES is {nodes}; it must be at least 1.")
        if nodes == 1:
            return cls(processes=processes)
        node = _number(environ, "JOB_COMPLETION_INDEX", -1)
        if not 0 <= node < nodes:
            raise ConfigError(f"JOB_COMPLETION_INDEX must be within 0..{nodes - 1}, since TRAINING_NODES is {nodes}.")
        address = environ.get("MASTER_ADDR", "")
        if not address:
            raise ConfigError("TRAINING_NODES needs MASTER_ADDR, the name of the node whose index is 0.")
        port = _number(environ, "MASTER_PORT", DEFAULT_PORT)
        return cls(nodes=nodes, node=node, processes=processes, address=address, port=port)


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}; it must be a whole number.") from None
