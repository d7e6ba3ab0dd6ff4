"""The operator as a process of this host, which tests kill and start again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from hack.ports import free_ports
from tests.support.certificates import self_signed
from tests.support.paths import REPOSITORY


def make_gateway_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1, which is its own CA."""
    key, certificate = self_signed()
    (folder / "tls.crt").write_bytes(certificate)
    (folder / "ca.crt").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)


class OperatorProcess:
    """`python3 -m trainingrun_operator.main` with the settings of a test."""

    def __init__(self, kubeconfig: Path, namespace: str, tls_dir: Path, *, log: Path, **environ: str) -> None:
        self.port, self.metrics_port = free_ports(2)
        self.url = f"https://127.0.0.1:{self.port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.environ = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "PYTHONPATH": str(REPOSITORY / "operator"),
            "KUBECONFIG": str(kubeconfig),
            "WATCH_NAMESPACE": namespace,
            "DEFAULT_WORKER_IMAGE": "registry.example/worker:test",
            "GATEWAY_URL": self.url,
            "GATEWAY_PORT": str(self.port),
            "GATEWAY_TLS_DIR": str(tls_dir),
            "GATEWAY_CA_FILE": str(tls_dir / "ca.crt"),
            "METRICS_PORT": str(self.metrics_port),
            "PROGRESS_INTERVAL_S": "1",
            "POD_ID": "operator-under-test",
            "LEASE_NAMESPACE": namespace,
            **environ,
        }

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def start(self, *, wait: bool = True, leads: bool = True) -> None:
        """
        Args:
            wait: until it is healthy.
            leads: and until it leads, and takes reports.
        """
        command = [
            sys.executable,
            "-W",
            "error::DeprecationWarning:trainingrun_operator",
            "-m",
            "trainingrun_operator.main",
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        if wait:
            self._wait_until("it is healthy", self._is_healthy)
            if leads:
                self._wait_until("it takes reports", self._takes_reports)

    def kill(self) -> None:
        """As the kernel does it: no goodbye."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=10)
        self._process = None

    def stop(self) -> int | None:
        """As the kubelet does it; answers the exit code."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
            raise
        finally:
            self._process = None

    def exit_code(self, *, timeout_s: float = 20.0) -> int:
        """Waits for it to end by itself."""
        assert self._process is not None
        code = self._process.wait(timeout=timeout_s)
        self._process = None
        return code

    @property
    def leads(self) -> bool:
        """As its metric says; raises OSError where it does not answer."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return b"\ntrainingrun_leader 1.0\n" in answer.read()

    def freeze(self) -> None:
        """As a machine that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _is_healthy(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)

    def _takes_reports(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=2):
            return True

    def _wait_until(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert self._process is not None
            assert self._process.poll() is None, f"the operator ended:\n{self.log}"
            with contextlib.suppress(OSError):
                if is_so():
                    return
            assert time.monotonic() < deadline, f"not so: {what}\n{self.log}"
            time.sleep(0.1)
