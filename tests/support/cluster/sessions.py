"""Test sessions at work on the local cluster: the first cleans up after killed ones, the last knows that it is."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.cluster.kube import TEST_LABEL, Kube

LOCAL_SERVER = "https://10.89.0.1:"


@contextmanager
def session(kube: Kube) -> Iterator[Callable[[], bool]]:
    """Counts as one, by a lock that ends with this process, however that ends.

    Yields what tells, asked at the end, whether no other is at work. A cluster of the user's own is not cleaned up.
    """
    if not kube.server.startswith(LOCAL_SERVER):
        yield lambda: True
        return
    with (kube.kubeconfig.parent / "cluster" / "test-sessions.lock").open("w") as lock:

        def is_alone() -> bool:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if is_alone():
            delete_leftovers(kube)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield is_alone


def delete_leftovers(kube: Kube) -> None:
    """Deletes every namespace that tests made: its pods may still hold GPUs."""
    for namespace in kube.items(f"/api/v1/namespaces?labelSelector={TEST_LABEL}"):
        if namespace["status"]["phase"] == "Active":
            kube.delete(f"/api/v1/namespaces/{namespace['metadata']['name']}")
