"""Loops in threads of their own, for as long as a block runs."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

_END_S = 20.0


@contextmanager
def in_threads(loops: Iterable[Callable[[], None]], stop: threading.Event) -> Iterator[None]:
    """Starts a thread for each loop; after the block sets `stop`, by which they end, and waits for them."""
    threads = [threading.Thread(target=each, daemon=True) for each in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_END_S)
