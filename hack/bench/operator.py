"""Measures what the operator costs the API server and the CPU: runs that begin, a restart, and runs at rest.

make bench-operator                                        300 runs: minutes
make bench-operator BENCH='--runs 1000 --rest-s 600'
make bench-operator BENCH='--before FOLDER'                 another checkout's operator folder, measured first

The API server is a real one of the benchmark's own, and nothing acts on what it stores: a run's Job is made and stays
without a pod. What is requested does not depend on other load; CPU and wall times do.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.bench import figures
from hack.bench.api_server import CLIENT, ApiServer, running_api_server
from hack.bench.preprocess import ROOT, machine_name, say
from hack.ports import free_ports

NAMESPACE = "bench"
RUNS = f"/apis/training.badgerdoc.dev/v1alpha1/namespaces/{NAMESPACE}/trainingruns"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
QUIET_S = 8.0  # no request for so long: the operator is at rest
DEADLINE_S = 600.0


@dataclass(frozen=True)
class Taken:
    """What a stretch of time took of the operator."""

    wall_s: float
    cpu_s: float
    requests: Counter[str]


class Operator:
    """The operator as a process, and what it has taken since it was last asked."""

    def __init__(self, server: ApiServer, code: Path, folder: Path) -> None:
        self._server = server
        self._folder = folder
        gateway_port, metrics_port = free_ports(2)
        self._environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "PYTHONPATH": str(code),
            "KUBECONFIG": str(server.kubeconfig(CLIENT)),
            "WATCH_NAMESPACE": NAMESPACE,
            "DEFAULT_WORKER_IMAGE": "registry.example/worker:bench",
            "GATEWAY_TLS_DIR": str(folder),
            "GATEWAY_PORT": str(gateway_port),
            "METRICS_PORT": str(metrics_port),
            "POD_ID": "bench",
        }
        self._process: subprocess.Popen[bytes] | None = None
        _, self._position = server.requests()

    def start(self) -> None:
        with (self._folder / "operator.log").open("ab") as log:
            command = [sys.executable, "-m", "trainingrun_operator.main"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        self._since_s, self._cpu_s, self._starts = time.monotonic(), 0.0, True
        _, self._position = self._server.requests(self._position)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)
            self._process = None

    @property
    def resident_bytes(self) -> int:
        return int(self._stat("statm")[1]) * os.sysconf("SC_PAGE_SIZE")

    def taken(self) -> Taken:
        """Since the start, or since this was last asked for."""
        now_s, cpu_s = time.monotonic(), self._cpu()
        requests, self._position = self._server.requests(self._position)
        taken = Taken(now_s - self._since_s, cpu_s - self._cpu_s, requests)
        self._since_s, self._cpu_s = now_s, cpu_s
        return taken

    def rests(self) -> Taken:
        """What it takes until it rests; the wait itself is not in the wall time. Raises TimeoutError."""
        began_s = self._since_s
        parts: list[Taken] = []
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            time.sleep(0.5)
            parts.append(self.taken())
            self._starts = self._starts and "watch pods" not in parts[-1].requests
            if parts[-1].requests or self._starts:
                quiet_since = time.monotonic()
            if time.monotonic() - began_s > DEADLINE_S:
                raise TimeoutError(f"the operator is not at rest after {DEADLINE_S:.0f} s: {parts[-1].requests}")
        requests = sum((part.requests for part in parts), Counter[str]())
        return Taken(max(quiet_since - began_s, 0.0), sum(part.cpu_s for part in parts), requests)

    def _cpu(self) -> float:
        fields = self._stat("stat")
        return (int(fields[13]) + int(fields[14])) / TICKS_PER_S

    def _stat(self, name: str) -> list[str]:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the operator ended:\n{(self._folder / 'operator.log').read_text()[-2000:]}")
        return Path(f"/proc/{self._process.pid}/{name}").read_text().split()


def a_run(number: int) -> dict[str, Any]:
    """A TrainingRun as people write it."""
    spec = {
        "storage": {"bucket": "tables", "endpoint": "http://s3.example:8333", "credentialsSecret": "s3-credentials"},
        "dataset": {"sourceFolder": "sources/demo", "targetFolder": f"datasets/{number}"},
        "training": {"modelOutput": f"s3://tables/models/{number}/tables.pth", "epochs": 20},
    }
    kind = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun"}
    return {**kind, "metadata": {"name": f"tables-{number:05}"}, "spec": spec}


def measure_operator(code: Path, runs: int, rest_s: float) -> list[list[str]]:
    """The rows of the table: what, seconds, CPU, requests, each also a run."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_api_server() as server:
        folder = Path(name)
        certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "1"]
        certificate += ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
        subprocess.run(certificate, check=True, capture_output=True)
        server.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        operator = Operator(server, code, folder)
        try:
            operator.start()
            idle = operator.rests()
            say(f"{runs} runs begin")
            operator.taken()
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda number: server.call("POST", RUNS, a_run(number)), range(runs)))
            begun = operator.rests()
            made = len(server.call("GET", JOBS)["items"])
            if made != runs:
                raise RuntimeError(f"{made} Jobs were made for {runs} runs")
            begun_bytes = operator.resident_bytes
            say(f"{runs} runs rest")
            time.sleep(rest_s)
            rest = operator.taken()
            say("a restart")
            operator.stop()
            operator.start()
            again = operator.rests()
            if len(server.call("GET", JOBS)["items"]) != runs:
                raise RuntimeError("a restart made Jobs")
            rows = [
                _row("start without runs", idle, 0),
                _row(f"{runs} runs from create to Job", begun, runs, begun_bytes),
                _row(f"{runs} runs at rest", rest, runs),
                _row(f"restart with {runs} runs", again, runs, operator.resident_bytes),
            ]
        finally:
            operator.stop()
    return rows


def _row(what: str, taken: Taken, runs: int, resident_bytes: int = 0) -> list[str]:
    requests = sum(taken.requests.values())
    return [
        what,
        f"{taken.wall_s:.0f}",
        f"{taken.cpu_s:.2f}",
        f"{taken.cpu_s / runs * 1000:.1f}" if runs else "",
        f"{requests}",
        f"{requests / runs:.2f}" if runs else "",
        ", ".join(f"{number} {name}" for name, number in taken.requests.most_common()),
        f"{resident_bytes / figures.MEBIBYTE:.0f}" if resident_bytes else "",
    ]


HEAD = ["", "s", "CPU s", "CPU ms a run", "requests", "a run", "which", "resident MiB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--rest-s", type=float, default=300.0, help="how long the runs are watched at rest")
    parser.add_argument("--before", type=Path, help="the operator folder of another checkout, measured first")
    parser.add_argument("--update", type=Path, help="Markdown file whose figures are replaced")
    options = parser.parse_args()
    ways = {"before": options.before, "this checkout": ROOT / "operator"}
    parts = []
    for title, code in ways.items():
        if code is None:
            continue
        say(title)
        rows = measure_operator(code, options.runs, options.rest_s)
        heading = f"**{title}**\n\n" if options.before else ""
        parts.append(f"{heading}{figures.table(HEAD, rows)}")
    command = f"make bench-operator BENCH='{' '.join(sys.argv[1:])}'"
    text = f"{machine_name()}; `{command}`.\n\n" + "\n".join(parts)
    print(text)
    if options.update:
        options.update.write_text(figures.with_figures(options.update.read_text(), text, of="bench-operator"))


if __name__ == "__main__":
    main()
