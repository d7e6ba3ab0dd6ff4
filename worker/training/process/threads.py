"""A thread pool for parallel requests, whose threads end with the `with` block."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

TRANSFER_THREADS = 16


@contextmanager
def thread_pool(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A pool of `count` threads. When the block fails, tasks that have not started are dropped; the others are waited
    for.

    An interruption (SIGTERM) waits for none: a thread may hang in a request that a server never answers.
    """
    pool = ThreadPoolExecutor(count, name)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()
