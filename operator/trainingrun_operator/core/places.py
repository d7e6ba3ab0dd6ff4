"""Which of several runs that write to one place in S3 goes first.

The folder of a dataset is one run's for as long as it prepares it, and the address of a model for as long as it trains.
A run that has begun goes first, or else the one that was created first. Nobody waits in a circle: whoever asks for a
model's address has published its dataset, so it holds no folder any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from trainingrun_operator.core.resource.status import Phase, Stage


class Place(NamedTuple):
    """Where a stage writes its result."""

    stage: Stage
    endpoint: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A run that writes to a place, or wants to."""

    place: Place
    namespace: str
    name: str
    uid: str
    created: str
    # Whether its stage has begun: it has the place until the stage is over, suspended or not.
    begun: bool
    suspended: bool

    @property
    def order(self) -> tuple[bool, str, str]:
        """Who comes first; the same for whoever asks."""
        return not self.begun, self.created, self.uid


def claim_of(body: Mapping[str, Any]) -> Claim | None:
    """What a run claims as it is; None before it has started, where it is over, and where it wants nothing yet.

    Args:
        body: the TrainingRun as the API server gives it: each of its versions is looked at, so little of it is read.
    """
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    over = status.get("phase") in (Phase.SUCCEEDED, Phase.FAILED)
    if not status.get("startTime") or over or meta.get("deletionTimestamp"):
        return None
    trains = status.get("dataset") or status.get("stage") == Stage.TRAIN
    stage = Stage.TRAIN if trains else Stage.PREPROCESS
    begun = bool((status.get("attempts") or {}).get(str(stage)))
    suspended = bool(spec.get("suspend"))
    if not begun and (suspended or (stage is Stage.TRAIN and _awaits_review(spec))):
        return None
    storage = spec["storage"]
    folder = f"s3://{storage['bucket']}/{spec['dataset']['targetFolder']}"
    address = spec["training"]["modelOutput"] if stage is Stage.TRAIN else folder
    return Claim(
        place=Place(stage, storage.get("endpoint", "").rstrip("/"), address),
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        created=meta.get("creationTimestamp", ""),
        begun=begun,
        suspended=suspended,
    )


def _awaits_review(spec: Mapping[str, Any]) -> bool:
    review = spec.get("review") or {}
    return bool(review.get("required")) and not review.get("approved")


class Places:
    """The claims of all runs, by place."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._runs: dict[Place, tuple[str, ...]] = {}

    def put(self, uid: str, claim: Claim | None) -> tuple[Claim, ...]:
        """Takes the newest claim of a run; answers those of others that may go on by it, or wait for another."""
        known = self._claims.get(uid)
        if known is not None and claim is not None and known.place == claim.place and known.begun:
            # Its Job may be known before its status tells of it.
            claim = replace(claim, begun=True)
        if claim == known:
            return ()
        places = {each.place for each in (known, claim) if each is not None}
        before = {place: self._leader(place) for place in places}
        self._remove(uid)
        if claim is not None:
            self._claims[uid] = claim
            self._runs[claim.place] = (*self._runs.get(claim.place, ()), uid)
        changed = (place for place in places if self._leader(place) != before[place])
        return tuple(each for place in changed for each in self._at(place) if each.uid != uid)

    def begin(self, uid: str, stage: str) -> None:
        """The run's stage begins, whatever its status says yet."""
        claim = self._claims.get(uid)
        if claim is not None and claim.place.stage == stage:
            self._claims[uid] = replace(claim, begun=True)

    def withdraw(self, uid: str) -> None:
        """The stage has not begun after all."""
        claim = self._claims.get(uid)
        if claim is not None:
            self._claims[uid] = replace(claim, begun=False)

    def ahead_of(self, uid: str) -> Claim | None:
        """The run that goes before that one, at the place that it wants."""
        mine = self._claims.get(uid)
        first = None if mine is None else self._first(mine.place)
        return None if first is None or first.uid == uid else first

    def _first(self, place: Place) -> Claim | None:
        return min(self._at(place), key=lambda claim: claim.order, default=None)

    def _leader(self, place: Place) -> tuple[str, bool] | None:
        """What those who wait say of the first one."""
        first = self._first(place)
        return None if first is None else (first.uid, first.suspended)

    def _at(self, place: Place) -> Iterator[Claim]:
        return (self._claims[uid] for uid in self._runs.get(place, ()))

    def _remove(self, uid: str) -> None:
        claim = self._claims.pop(uid, None)
        if claim is None:
            return
        left = tuple(each for each in self._runs[claim.place] if each != uid)
        if left:
            self._runs[claim.place] = left
        else:
            del self._runs[claim.place]
