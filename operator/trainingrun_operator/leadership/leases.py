"""The API server's Leases, over a connection of their own: nothing that is slow delays a renewal."""

from __future__ import annotations

from trainingrun_operator.api.client import ApiClient, Object

_PATH = "/apis/coordination.k8s.io/v1/namespaces"
# A try that takes longer is given up while there is time for another.
_TIMEOUT_S = 3.0


class Leases:
    """What leadership needs of the API server. All raise ClusterError's subclasses."""

    def __init__(self) -> None:
        """Loads the credentials. An event loop must run."""
        self._api = ApiClient(connections=1, timeout_s=_TIMEOUT_S)

    async def close(self) -> None:
        """Closes the connection."""
        await self._api.close()

    async def get_lease(self, namespace: str, name: str) -> Object:
        return await self._api.call("GET", f"{_PATH}/{namespace}/leases/{name}", named=name)

    async def create_lease(self, lease: Object) -> Object:
        return await self._api.call("POST", f"{_PATH}/{lease['metadata']['namespace']}/leases", body=lease)

    async def replace_lease(self, lease: Object) -> Object:
        """Stores it; the API server refuses that where it is not of the version that is there (ConflictError)."""
        meta = lease["metadata"]
        path = f"{_PATH}/{meta['namespace']}/leases/{meta['name']}"
        return await self._api.call("PUT", path, body=lease, named=meta["name"])
