"""What is in the Lease by which one operator leads, and what is written to it. Pure: no I/O and no clock.

A Lease is of coordination.k8s.io/v1; its fields are used as those of client-go's leader election, so that
`kubectl get lease` and monitoring show who leads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

# Whoever waits takes a Lease over that has not been renewed for so long.
DURATION_S = 15.0
# The holder writes nothing any more this long after it last renewed: what is on its way then has the rest to arrive.
CERTAIN_S = 10.0
_BETWEEN = "_"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom the Lease names: a process, and the pod that it runs in."""

    pod: str
    process: str

    def __str__(self) -> str:
        return f"{self.pod}{_BETWEEN}{self.process}"


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The Lease as somebody who waits has seen it: in which version, and since when by his own clock."""

    version: str
    since_s: float


def holder_of(lease: Mapping[str, Any]) -> str:
    """Who holds it; empty where nobody does."""
    return (lease.get("spec") or {}).get("holderIdentity") or ""


def version_of(lease: Mapping[str, Any]) -> str:
    """The version, which is another one after each renewal."""
    version: str = lease["metadata"]["resourceVersion"]
    return version


def looked_at(lease: Mapping[str, Any], before: Sight | None, now_s: float) -> Sight:
    """What is to be remembered of it. The holder's clock is not compared with one's own: only one's own is asked."""
    if before is not None and before.version == version_of(lease):
        return before
    return Sight(version=version_of(lease), since_s=now_s)


def is_free(lease: Mapping[str, Any], sight: Sight, me: Identity, now_s: float) -> bool:
    """Whether it may be taken: it was given back, was not renewed in time, or its holder was killed in this very pod,
    where there is one process at a time.
    """
    holder = holder_of(lease)
    lasts_s = (lease.get("spec") or {}).get("leaseDurationSeconds") or DURATION_S
    return not holder or holder.rpartition(_BETWEEN)[0] == me.pod or now_s - sight.since_s >= lasts_s


def new(namespace: str, name: str, me: Identity, now: datetime) -> Object:
    """The Lease, held."""
    spec = {
        "holderIdentity": str(me),
        "leaseDurationSeconds": int(DURATION_S),
        "acquireTime": _micro_time(now),
        "renewTime": _micro_time(now),
        "leaseTransitions": 0,
    }
    kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return {**kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def taken(lease: Object, me: Identity, now: datetime) -> Object:
    """The same Lease with another holder."""
    transitions = (lease.get("spec") or {}).get("leaseTransitions") or 0
    return _with(
        lease,
        holderIdentity=str(me),
        leaseDurationSeconds=int(DURATION_S),
        acquireTime=_micro_time(now),
        renewTime=_micro_time(now),
        leaseTransitions=transitions + 1,
    )


def renewed(lease: Object, now: datetime) -> Object:
    """The same Lease, held for longer."""
    return _with(lease, renewTime=_micro_time(now))


def given_back(lease: Object, now: datetime) -> Object:
    """The same Lease, for whoever comes next."""
    # A duration is required to be positive.
    return _with(lease, holderIdentity="", leaseDurationSeconds=1, renewTime=_micro_time(now))


def _with(lease: Object, **spec: Any) -> Object:
    # Whatever else is in it is somebody's: an update replaces all.
    return {**lease, "spec": {**(lease.get("spec") or {}), **spec}}


def _micro_time(at: datetime) -> str:
    """As Kubernetes' MicroTime."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
