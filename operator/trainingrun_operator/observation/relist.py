"""Puts the store right by lists: what watches have missed, or a restored etcd has undone, holds for minutes at most."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from trainingrun_operator.api.cluster import Page
from trainingrun_operator.core.errors import ClusterError
from trainingrun_operator.core.names import RUN_KINDS, Kind
from trainingrun_operator.observation import memory
from trainingrun_operator.observation.listing import Key, Listing, version_of
from trainingrun_operator.observation.store import Object

logger = logging.getLogger(__name__)
FIRST_RETRY_S = 3.0


class Lists(Protocol):
    """The one call of the cluster that is needed here."""

    async def list_page(self, kind: Kind, namespace: str | None, *, cached: bool, next_page: str = "") -> Page: ...


class Listed(Protocol):
    """What keeps the objects, as the store does."""

    def begin_listing(self, kind: Kind, namespace: str | None) -> Listing: ...
    def take_listed(self, listing: Listing, body: Object) -> None: ...
    def end_listing(self, listing: Listing) -> set[Key]: ...
    def drop_listing(self, listing: Listing) -> None: ...


class Relister:
    """Lists objects of some kinds, again and again."""

    def __init__(
        self,
        cluster: Lists,
        store: Listed,
        *,
        namespaces: tuple[str, ...],
        interval_s: float,
        enqueue: Callable[[Key], None],
        restored: Callable[[], None] = lambda: None,
        kinds: Sequence[Kind] = RUN_KINDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            namespaces: none: all.
            interval_s: between one round of lists and the next.
            enqueue: called for each run of which a list has told something new.
            restored: called where etcd was put back to a backup. Watches that go on from a version which is to come
                again tell nothing until then, so they have to be begun anew.
            kinds: what is listed, in this order.
        """
        self._cluster = cluster
        self._store = store
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._interval_s = interval_s
        self._enqueue = enqueue
        self._kinds = kinds
        self._restored = restored
        self._sleep = sleep

    async def first(self) -> None:
        """Returns once everything has been listed: what is decided before may rest on half of it.

        These lists are of etcd itself. A run as a cache that lags has it may not have begun an attempt that is over
        already, and would get the Job of that attempt again; what was seen since is not there yet to tell.
        """
        while not await self.round(cached=False):
            await self._sleep(FIRST_RETRY_S)

    async def work(self) -> None:
        """Lists until cancelled."""
        while True:
            await self._sleep(self._interval_s)
            await self.round()
            memory.give_back()

    async def round(self, *, cached: bool = True) -> bool:
        """One list of each kind; answers whether all were read."""
        try:
            for kind in self._kinds:
                for namespace in self._namespaces:
                    for key in await self._list(kind, namespace, cached=cached):
                        self._enqueue(key)
        except ClusterError as error:
            logger.warning("a list failed and is repeated", extra={"error": error})
            return False
        return True

    async def _list(self, kind: Kind, namespace: str | None, *, cached: bool) -> set[Key]:
        listing = self._store.begin_listing(kind, namespace)
        try:
            page = await self._cluster.list_page(kind, namespace, cached=cached)
            if version_of(page.version) < listing.seen_before:
                page = await self._list_uncached(listing)
            listing.version = version_of(page.version)
            while True:
                for body in page.items:
                    self._store.take_listed(listing, body)
                if not page.next_page:
                    return self._store.end_listing(listing)
                page = await self._cluster.list_page(kind, namespace, cached=cached, next_page=page.next_page)
        finally:
            self._store.drop_listing(listing)

    async def _list_uncached(self, listing: Listing) -> Page:
        """The API server's cache lags behind what was seen; where etcd itself does, it was restored from a backup."""
        page = await self._cluster.list_page(listing.kind, listing.namespace, cached=False)
        if version_of(page.version) < listing.seen_before:
            logger.warning(
                "etcd's versions have gone back: its content replaces what was seen", extra={"kind": listing.kind}
            )
            listing.versions_are_new = True
            self._restored()
        return page
