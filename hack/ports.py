"""Ports for servers that tests and benchmarks start."""

import socket
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Different ports of this host that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
