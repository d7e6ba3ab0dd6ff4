"""What a run costs: requests exactly, CPU time within a bound that other load does not reach."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from hack.bench.api_server import running_api_server
from hack.bench.operator.life import NAMESPACE, Life
from hack.bench.operator.process import Operator
from hack.bench.preprocess import ROOT

pytestmark = [
    pytest.mark.integration,
    # The benchmark's own connections trust the server, which is a child of this process.
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
    # urllib3 leaves connections to a server that has ended to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RUNS = 100
# Twice what is measured on a machine that is busy with something else.
CPU_MS_A_RUN = 25.0
WORKERS = 8


def test_a_run_costs_few_requests_and_little_cpu_and_at_rest_nothing(tmp_path: Path) -> None:
    with running_api_server() as server:
        life = Life(server)
        operator = Operator(server, ROOT / "operator", tmp_path, namespace=NAMESPACE, group=None)
        operator.start()
        try:
            operator.rests()
            life.create_all(f"tables-{number:03}" for number in range(RUNS))
            begun = operator.rests()
            assert life.job_count() == RUNS
            asked = {
                name: count / RUNS for name, count in begun.requests.items() if not name.startswith(("watch", "list"))
            }
            # Runs of one kind are tried once: both Jobs, by each of the visits that were first.
            assert 1 <= asked.pop("create jobs") <= 1 + 2 * WORKERS / RUNS
            assert asked == {"patch trainingruns/status": 2, "create events": 2}
            assert begun.cpu_s / RUNS * 1000 <= CPU_MS_A_RUN
        finally:
            operator.stop()
    gc.collect()
