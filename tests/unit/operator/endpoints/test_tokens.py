"""Tokens, signed here with keys of our own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from trainingrun_operator.core.errors import TransientError
from trainingrun_operator.endpoints.tokens import KeysUnavailableError, TokenError, TokenVerifier

ISSUER = "https://kubernetes.default.svc"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def jwks(*ids: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm
    public = algorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
    return {"keys": [{**public, "kid": key_id, "use": "sig", "alg": "RS256"} for key_id in ids]}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {
        "iss": ISSUER,
        "aud": ["audience"],
        "iat": now,
        "exp": now + 600,
        "kubernetes.io": {"namespace": "demo", "pod": {"name": "p", "uid": "u"}, "serviceaccount": {"name": "default"}},
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def signed(key_id: str = "k1", **changes: Any) -> str:
    return jwt.encode(claims(**changes), RSA_KEY, algorithm="RS256", headers={"kid": key_id})


class Cluster:
    def __init__(self) -> None:
        self.now, self.fetches, self.ids, self.down = 0.0, 0, ["k1"], False
        self.answers = asyncio.Event()
        self.answers.set()
        self.verifier = TokenVerifier(self.fetch, clock=lambda: self.now)

    async def fetch(self) -> tuple[str, dict[str, Any]]:
        self.fetches += 1
        await self.answers.wait()
        if self.down:
            raise TransientError("connection refused")
        return ISSUER, jwks(*self.ids)


async def test_a_projected_token_tells_its_pod() -> None:
    bearer = await Cluster().verifier.verify(signed())
    assert (bearer.namespace, bearer.pod_name, bearer.pod_uid, bearer.audiences) == ("demo", "p", "u", ("audience",))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        signed(exp=int(time.time()) - 60),
        signed(exp=None),
        signed(aud=None),
        signed(iss="https://elsewhere"),
        signed(nbf=int(time.time()) + 600),
        signed(**{"kubernetes.io": None}),
        signed(**{"kubernetes.io": {"namespace": "demo"}}),
        signed(**{"kubernetes.io": "text"}),
        jwt.encode(claims(), EC_KEY, algorithm="ES256", headers={"kid": "k1"}),
        jwt.encode(claims(), "s" * 40, algorithm="HS256", headers={"kid": "k1"}),
        jwt.encode(claims(), None, algorithm="none", headers={"kid": "k1"}),
        signed()[:-6] + "AAAAAA",
    ],
)
async def test_a_token_that_proves_nothing_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        await Cluster().verifier.verify(token)


async def test_the_keys_are_fetched_once_for_many_tokens() -> None:
    cluster = Cluster()
    for _ in range(5):
        await cluster.verifier.verify(signed())
    assert cluster.fetches == 1


async def test_a_rotated_key_is_fetched_but_nobody_can_make_that_happen_at_will() -> None:
    cluster = Cluster()
    await cluster.verifier.verify(signed())
    cluster.ids = ["k1", "k2"]
    for _ in range(3):
        with pytest.raises(TokenError, match="unknown key"):
            await cluster.verifier.verify(signed("k2"))
    assert cluster.fetches == 1
    cluster.now += 31
    await cluster.verifier.verify(signed("k2"))
    assert cluster.fetches == 2


async def test_a_removed_key_is_forgotten_after_an_hour() -> None:
    cluster = Cluster()
    await cluster.verifier.verify(signed())
    cluster.ids = ["k2"]
    cluster.now += 3601
    with pytest.raises(TokenError):
        await cluster.verifier.verify(signed("k1"))


async def test_known_keys_serve_while_the_api_server_is_down() -> None:
    cluster = Cluster()
    await cluster.verifier.verify(signed())
    cluster.down = True
    cluster.now += 3601
    await cluster.verifier.verify(signed())


async def test_a_fetch_that_fails_is_not_repeated_for_every_unknown_key() -> None:
    cluster = Cluster()
    await cluster.verifier.verify(signed())
    cluster.down = True
    cluster.now += 31
    for _ in range(3):
        with pytest.raises(TokenError, match="unknown key"):
            await cluster.verifier.verify(signed("k2"))
    assert cluster.fetches == 2


@pytest.mark.parametrize("age_s", [31, 3601])
async def test_who_knows_its_key_does_not_wait_for_those_who_do_not(age_s: float) -> None:
    cluster = Cluster()
    await cluster.verifier.verify(signed())
    cluster.answers.clear()
    cluster.now += age_s
    stranger = asyncio.create_task(cluster.verifier.verify(signed("k2")))
    await asyncio.sleep(0)
    await asyncio.wait_for(cluster.verifier.verify(signed()), 1)
    cluster.answers.set()
    with pytest.raises(TokenError):
        await stranger


async def test_without_any_keys_the_worker_is_asked_to_come_again() -> None:
    cluster = Cluster()
    cluster.down = True
    for _ in range(3):
        with pytest.raises(KeysUnavailableError, match="connection refused"):
            await cluster.verifier.verify(signed())
    assert cluster.fetches == 1
    cluster.down = False
    cluster.now += 31
    await cluster.verifier.verify(signed())
