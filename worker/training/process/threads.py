"""Many requests at a time, in threads that end with the block that needs them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

TRANSFER_THREADS = 16


@contextmanager
def thread_pool(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that drops what has not started when the block fails, and waits for the rest.

    An interruption waits for nothing: a thread may stand in a request that a server never answers.
    """
    pool = ThreadPoolExecutor(count, name)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()
