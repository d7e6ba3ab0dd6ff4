"""How the operator starts, stands by, and refuses to."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import cast

import pytest

from hack.ports import free_ports
from tests.support.operator.fake_cluster import FakeCluster
from tests.support.operator.operator_process import make_gateway_certificate
from tests.support.operator.world import World
from trainingrun_operator import main
from trainingrun_operator.api.cluster import Cluster
from trainingrun_operator.core.errors import RefusedError, SetupError, TransientError
from trainingrun_operator.endpoints import gateway
from trainingrun_operator.leadership.election import Leadership
from trainingrun_operator.settings import Settings


class Discovery(FakeCluster):
    def __init__(self, *answers: bool | Exception) -> None:
        super().__init__(World())
        self.answers = list(answers)

    async def serves_the_resource(self) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def check(*answers: bool | Exception) -> None:
    await main._check_installation(cast(Cluster, Discovery(*answers)))


class Waiting:
    """Leadership that never comes."""

    def is_certain(self) -> bool:
        return False

    async def take(self) -> None:
        await asyncio.Event().wait()


def an_operator(*discovered: bool, **environ: str) -> main.Operator:
    cluster = Discovery(*discovered)
    return main.Operator(Settings.read(environ), cast(Cluster, cluster), cast(Leadership, Waiting()))


async def test_a_missing_crd_is_an_error_and_not_an_idle_operator() -> None:
    with pytest.raises(SetupError, match=r"CRD is not installed: run `kubectl apply -f crds/trainingruns.yaml`"):
        await check(False)


async def test_an_api_server_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_API_RETRY_S", 0.001)
    await check(TransientError("refused"), TransientError("refused"), True)


async def test_a_refused_discovery_is_said_so() -> None:
    with pytest.raises(SetupError, match="refuses discovery"):
        await check(RefusedError("forbidden"))


async def test_a_renewed_ca_is_given_to_new_jobs_and_a_lost_one_stops_nothing(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("old")
    operator = an_operator(GATEWAY_CA_FILE=str(ca))
    assert operator._job_defaults().gateway_ca == "old"
    ca.write_text("new")
    assert operator._job_defaults().gateway_ca == "new"
    ca.unlink()
    assert operator._job_defaults().gateway_ca == "new"


async def test_who_stands_by_is_healthy_and_ends_when_told_to() -> None:
    operator = an_operator(True, METRICS_PORT=str(free_ports(1)[0]))
    standing_by = asyncio.create_task(operator.stand_by())
    await asyncio.sleep(0.01)
    assert not standing_by.done()
    assert operator.trouble() is None
    operator.stop.set()
    await asyncio.wait_for(standing_by, 5)
    await operator.end()


async def test_what_keeps_an_operator_from_leading_ends_it() -> None:
    operator = an_operator(False, METRICS_PORT=str(free_ports(1)[0]))
    with pytest.raises(SetupError, match="CRD is not installed"):
        await operator.stand_by()
    await operator.end()


async def test_a_gateway_without_a_certificate_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"tls\.crt"):
        await gateway.serve(cast(gateway.Gateway, None), port=1, tls_dir=tmp_path, started=asyncio.Event())


async def test_a_renewed_certificate_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "CERTIFICATE_CHECK_S", 0.001)
    make_gateway_certificate(tmp_path)
    loaded: list[Path] = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, certfile: Path, *_: object) -> None:  # type: ignore[override]
            loaded.append(certfile)
            if len(loaded) == 1:
                raise ssl.SSLError("the key does not match yet")

    context = Context(ssl.PROTOCOL_TLS_SERVER)
    task = asyncio.create_task(gateway._renew(context, tmp_path / "tls.crt", tmp_path / "tls.key"))
    await asyncio.sleep(0.02)
    assert loaded == []
    make_gateway_certificate(tmp_path)
    for _ in range(500):
        if len(loaded) == 2:
            break
        await asyncio.sleep(0.002)
    task.cancel()
    assert len(loaded) == 2, "tried again after the first half of the change"


async def test_once_etcd_was_restored_the_process_ends_since_its_watches_would_be_silent() -> None:
    cluster = FakeCluster(World())
    operator = main.Operator(Settings.read({}), cast(Cluster, cluster), cast(Leadership, Waiting()))
    await operator._relister.round()
    assert not operator.stop.is_set()
    operator.store.observe_run(cluster.stored_run())
    cluster.version = 1
    await operator._relister.round()
    assert operator.stop.is_set()
    assert isinstance(operator.failure, SetupError)
