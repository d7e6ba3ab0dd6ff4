"""What can go wrong between the operator and the API server, without the client library's own types."""

from __future__ import annotations


class ClusterError(Exception):
    """The API server did not do what it was asked to; `str()` is its own sentence."""


class TransientError(ClusterError):
    """It may pass: a server error, a lost connection, too many requests."""


class GoneError(ClusterError):
    """The object does not exist, or is another one of the same name."""


class ConflictError(ClusterError):
    """The object changed meanwhile or exists already."""


class RefusedError(ClusterError):
    """A quota, an admission policy, missing rights say no. It passes when somebody changes that."""


class InvalidError(ClusterError):
    """The object is wrong: the same request will never be taken.

    `causes` are the fields that are wrong and what the API server says of each, as far as it tells.
    """

    def __init__(self, message: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.causes = causes


class UnreadableError(ClusterError):
    """The object is not what its CRD promises, as after a change of the operator's version."""


class SetupError(Exception):
    """The operator can't start as it was installed; `str()` says what to do."""


class LeaseLostError(Exception):
    """Another operator leads: this one has to end; `str()` says who."""
