"""The operator as a process, and what it takes of the CPU, the memory and the API server."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hack.bench.api_server import CLIENT, ApiServer
from hack.ports import free_ports

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
QUIET_S = 8.0  # no request for so long: the operator is at rest
DEADLINE_S = 900.0
RELIST_S = 60  # a fifth of what is the default, so that a minute shows one round of lists


@dataclass(frozen=True)
class Taken:
    """What a stretch of time took of the operator."""

    wall_s: float
    cpu_s: float
    requests: Counter[str]

    @property
    def request_count(self) -> int:
        return sum(self.requests.values())


class Operator:
    """The operator, and what it has taken since it was last asked."""

    def __init__(self, server: ApiServer, code: Path, folder: Path, *, namespace: str, group: Path | None) -> None:
        """
        Args:
            code: the folder that has the package.
            folder: for its certificate and its log.
            group: the cgroup that it runs in.
        """
        self._server = server
        self._log = folder / "operator.log"
        self._group = group
        self.gateway_port, metrics_port = free_ports(2)
        certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench", "-days", "1"]
        certificate += ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
        subprocess.run(certificate, check=True, capture_output=True)
        self._environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "PYTHONPATH": str(code),
            "KUBECONFIG": str(server.kubeconfig(CLIENT)),
            "WATCH_NAMESPACE": namespace,
            "DEFAULT_WORKER_IMAGE": "registry.example/worker:bench",
            "GATEWAY_URL": f"https://127.0.0.1:{self.gateway_port}",
            "GATEWAY_TLS_DIR": str(folder),
            "GATEWAY_PORT": str(self.gateway_port),
            "METRICS_PORT": str(metrics_port),
            "RELIST_INTERVAL_S": str(RELIST_S),
            "POD_ID": "bench",
        }
        # Each start would compile every module otherwise, as no image does.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process: subprocess.Popen[bytes] | None = None
        self._quiet_since_s = 0.0
        _, self._position = server.requests()

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "trainingrun_operator.main"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(self._process.pid))
        self._since_s, self._cpu_s, self._starts = time.monotonic(), 0.0, True
        _, self._position = self._server.requests(self._position)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)
            self._process = None

    @property
    def resident_bytes(self) -> int:
        return self._memory("VmRSS")

    @property
    def peak_bytes(self) -> int:
        return self._memory("VmHWM")

    def taken(self) -> Taken:
        """Since the start, or since this was last asked for."""
        now_s, cpu_s = time.monotonic(), self._cpu()
        requests, self._position = self._server.requests(self._position)
        # Its Lease is renewed every few seconds, whatever there is to do.
        requests = Counter({name: count for name, count in requests.items() if not name.endswith(" leases")})
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
        fields = self._proc("stat").split()
        return (int(fields[13]) + int(fields[14])) / TICKS_PER_S

    def _memory(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB", self._proc("status"), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    def _proc(self, name: str) -> str:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"the operator ended:\n{self._log.read_text()[-2000:]}")
        return Path(f"/proc/{self._process.pid}/{name}").read_text()
