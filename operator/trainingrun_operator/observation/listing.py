"""A list of the API server's that is being read, page by page, and what it says of what was known before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from trainingrun_operator.core.names import Kind

ANY_VERSION = float("inf")


class Key(NamedTuple):
    """A run's namespace and name."""

    namespace: str
    name: str


@dataclass
class Listing:
    """A list that is being read. `seen_before` is the highest version of its kind that was known when it began;
    `version` is the list's own, once there is a first page.
    """

    kind: Kind
    namespace: str | None
    seen_before: int
    # The versions have gone back, as after a restore of etcd: the list holds, whatever was seen before.
    versions_are_new: bool = False
    version: int = 0
    listed: set[str] = field(default_factory=set)
    deleted_meanwhile: set[str] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)

    @property
    def holds_up_to(self) -> float:
        """The version up to which the list is right and not what was known before."""
        return ANY_VERSION if self.versions_are_new else self.version

    def misses(self, namespace: str, uid: str, version: int) -> bool:
        """Whether an object that was known with that version would be in the list if it were there."""
        return self.namespace in (None, namespace) and uid not in self.listed and version <= self.holds_up_to


def version_of(text: str | None) -> int:
    """An object's or a list's resource version; 0, which is older than all, where it is no number."""
    return int(text) if text and text.isdecimal() else 0
