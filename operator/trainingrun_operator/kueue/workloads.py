"""The Workloads of the runs' Jobs as last seen, from a watch, lists and answers to writes.

They are kept by the Job that they stand for, of which Kueue makes sure that there is one each. All methods belong to
one event loop.
"""

from __future__ import annotations

from collections.abc import Iterable

from trainingrun_operator.core.names import Kind
from trainingrun_operator.core.observed import JobView
from trainingrun_operator.core.queueing.workload import WorkloadView, view_workload
from trainingrun_operator.observation.listing import Key, Listing, version_of
from trainingrun_operator.observation.store import Object, Store


class Workloads:
    """Those of Jobs in the store; of any other nothing is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_job: dict[str, WorkloadView] = {}
        self._highest = 0
        self._listings: list[Listing] = []

    def of_jobs(self, jobs: Iterable[JobView]) -> tuple[WorkloadView, ...]:
        """The Workloads of these Jobs, as far as they are in sight."""
        return tuple(self._by_job[job.uid] for job in jobs if job.uid in self._by_job)

    def observe(self, body: Object, *, deleted: bool = False) -> Key | None:
        """Remembers a Workload; answers whose visit is due, where that is news."""
        view = view_workload(body)
        self._highest = max(self._highest, version_of(view.resource_version))
        if not deleted:
            return self._put(view, holds_up_to=-1.0)
        for listing in self._listings:
            listing.deleted_meanwhile.add(view.uid)
        known = self._by_job.get(view.job_uid)
        if known is None or known.uid != view.uid:
            return None
        del self._by_job[view.job_uid]
        return self._store.run_of_job(view.job_uid)

    def begin_listing(self, kind: Kind, namespace: str | None) -> Listing:
        """To be called before the API server is asked for the list."""
        listing = Listing(kind, namespace, self._highest)
        self._listings.append(listing)
        return listing

    def take_listed(self, listing: Listing, body: Object) -> None:
        """What is in the list, is there, unless something newer is known of it."""
        view = view_workload(body)
        listing.listed.add(view.uid)
        key = None if view.uid in listing.deleted_meanwhile else self._put(view, holds_up_to=listing.holds_up_to)
        listing.changed |= {key} if key else set()

    def end_listing(self, listing: Listing) -> set[Key]:
        """What is not in the list, or of a Job that is no more, is gone; answers whose visits are due."""
        self._highest = listing.version if listing.versions_are_new else max(self._highest, listing.version)
        for job_uid, view in list(self._by_job.items()):
            key = self._store.run_of_job(job_uid)
            missed = listing.misses(view.namespace, view.uid, version_of(view.resource_version))
            if missed or key is None:
                del self._by_job[job_uid]
                listing.changed |= {key} if key else set()
        return listing.changed

    def drop_listing(self, listing: Listing) -> None:
        """It is over; one that was not read to its end tells nothing by what it lacks."""
        self._listings = [each for each in self._listings if each is not listing]

    def _put(self, view: WorkloadView, *, holds_up_to: float) -> Key | None:
        key, known = self._store.run_of_job(view.job_uid), self._by_job.get(view.job_uid)
        if key is None:
            return None
        if known is not None and version_of(view.resource_version) < version_of(known.resource_version) > holds_up_to:
            return None
        self._by_job[view.job_uid] = view
        return None if known == view else key
