"""Verifies the projected service-account tokens that workers present, against the cluster's own keys.

The keys come from the API server's OpenID discovery (`/openid/v1/jwks`) and are kept; nothing is asked for each report.
Tokens are as Kubernetes projects them: an RS256 or ES256 JWT with the claim `kubernetes.io`, bound to a pod.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt

from trainingrun_operator.core.errors import ClusterError

ALGORITHMS = ["RS256", "ES256", "ES384", "ES512"]
_KEEP_S = 3600.0
# An unknown key id makes the keys be fetched again, but nobody can make that happen at will, nor while they can't be.
_MIN_REFETCH_S = 30.0
_LEEWAY_S = 10


class TokenError(Exception):
    """The token proves nothing."""


class KeysUnavailableError(Exception):
    """The keys can't be fetched now; the same token may be good later."""


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Who a token speaks for."""

    namespace: str
    pod_name: str
    pod_uid: str
    audiences: tuple[str, ...]


@dataclass
class _Keys:
    issuer: str = ""
    by_id: dict[str, Any] = field(default_factory=dict)
    fetched_at_s: float = float("-inf")


class TokenVerifier:
    """Checks signature, issuer, expiry and the binding to a pod; the caller checks whose pod and which audience."""

    def __init__(
        self, fetch_keys: Callable[[], Awaitable[tuple[str, dict[str, Any]]]], *, clock: Callable[[], float]
    ) -> None:
        """
        Args:
            fetch_keys: answers the issuer and a JWKS; may raise ClusterError.
        """
        self._fetch_keys = fetch_keys
        self._clock = clock
        self._keys = _Keys()
        self._tried_at_s = float("-inf")
        self._failure: Exception | None = None
        self._lock = asyncio.Lock()

    async def verify(self, token: str) -> Bearer:
        """Reads a token.

        Raises:
            TokenError: it is malformed, expired, of another issuer, not signed by this cluster, or not a pod's.
            KeysUnavailableError: the cluster's keys can't be had now.
        """
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
        except jwt.PyJWTError as error:
            raise TokenError("not a token") from error
        key = await self._key(key_id)
        try:
            claims = jwt.decode(
                token,
                key=key,
                algorithms=ALGORITHMS,
                issuer=self._keys.issuer,
                leeway=_LEEWAY_S,
                # The audience is compared by the gateway, which knows the run.
                options={"require": ["exp", "iat", "iss", "aud"], "verify_aud": False},
            )
            bound, audiences = claims["kubernetes.io"], claims["aud"]
            return Bearer(
                namespace=bound["namespace"],
                pod_name=bound["pod"]["name"],
                pod_uid=bound["pod"]["uid"],
                audiences=(audiences,) if isinstance(audiences, str) else tuple(audiences),
            )
        except jwt.PyJWTError as error:
            raise TokenError(str(error)) from error
        except (KeyError, TypeError) as error:
            raise TokenError("the token is not bound to a pod") from error

    async def _key(self, key_id: str) -> Any:
        # Who knows its key never waits for those who don't.
        if key_id not in self._keys.by_id or self._are_due():
            async with self._lock:
                if self._are_due(wanted=key_id):
                    await self._refetch()
        if not self._keys.by_id:
            raise KeysUnavailableError(f"the cluster's token keys can't be fetched: {self._failure}")
        if key_id not in self._keys.by_id:
            raise TokenError("signed by an unknown key")
        return self._keys.by_id[key_id]

    def _are_due(self, *, wanted: str | None = None) -> bool:
        now_s = self._clock()
        old = now_s - self._keys.fetched_at_s > _KEEP_S
        unknown = wanted is not None and wanted not in self._keys.by_id
        return (old or unknown) and now_s - self._tried_at_s > _MIN_REFETCH_S

    async def _refetch(self) -> None:
        self._tried_at_s = self._clock()
        try:
            issuer, jwks = await self._fetch_keys()
            keys = jwt.PyJWKSet.from_dict(jwks)
        except (ClusterError, jwt.PyJWTError) as error:
            self._failure = error
            return
        by_id = {key.key_id: key for key in keys.keys if key.key_id}
        self._keys = _Keys(issuer=issuer, by_id=by_id, fetched_at_s=self._clock())
