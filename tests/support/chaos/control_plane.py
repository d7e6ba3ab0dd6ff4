"""A control plane of its own, each process of which can be killed: etcd, API server, controllers, scheduler."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hack.bench.api_server import ACCOUNTS_KEY, ADMIN, ApiServer, apply_crd, binaries, prepare, wait_until_ready

ETCD, API_SERVER = "etcd", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"


@dataclass
class Component:
    """A process that is started again as it was."""

    name: str
    command: list[str]
    log: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@dataclass(frozen=True)
class ControlPlane:
    """One that runs; `components` by name."""

    server: ApiServer
    components: Mapping[str, Component]

    @property
    def kubeconfig(self) -> Path:
        return self.server.kubeconfig(ADMIN)

    def start(self, *names: str) -> None:
        for name in names:
            self.components[name].start()
            if name == API_SERVER:
                # The controller manager gives up where the API server does not answer yet.
                wait_until_ready(self.server)

    def back_up(self) -> None:
        """Copies what etcd has stored; it stands still meanwhile."""
        etcd = self.components[ETCD]
        etcd.send(signal.SIGSTOP)
        shutil.rmtree(self._backup, ignore_errors=True)
        shutil.copytree(self.server.folder / "etcd", self._backup)
        etcd.send(signal.SIGCONT)

    def restore(self) -> None:
        """Everything is as when it was backed up, versions included; all that has read of it starts anew."""
        names = (SCHEDULER, CONTROLLER_MANAGER, API_SERVER, ETCD)
        for name in names:
            self.components[name].kill()
        shutil.rmtree(self.server.folder / "etcd")
        shutil.copytree(self._backup, self.server.folder / "etcd")
        self.start(*reversed(names))

    @property
    def _backup(self) -> Path:
        return self.server.folder / "etcd-backup"


@contextmanager
def running_control_plane() -> Iterator[ControlPlane]:
    """Starts one from the local cluster's binaries, with the CRD of this checkout, and ends it with all that it stored.

    Raises:
        RuntimeError: it does not get ready.
    """
    folder = Path(tempfile.mkdtemp(prefix="chaos-control-plane-"))
    components: dict[str, Component] = {}
    try:
        server, commands = prepare(folder)
        client = [f"--kubeconfig={server.kubeconfig(ADMIN)}", "--leader-elect=false", "--secure-port=0"]
        commands[CONTROLLER_MANAGER] = [
            str(binaries() / CONTROLLER_MANAGER),
            *client,
            f"--service-account-private-key-file={folder / ACCOUNTS_KEY}",
            *("--kube-api-qps=200", "--kube-api-burst=400"),
            # Nobody tells that the simulated nodes are alive.
            "--controllers=*,-node-lifecycle-controller",
        ]
        commands[SCHEDULER] = [str(binaries() / SCHEDULER), *client]
        components |= {name: Component(name, command, folder / f"{name}.log") for name, command in commands.items()}
        plane = ControlPlane(server, components)
        plane.start(ETCD, API_SERVER)
        apply_crd(server)
        plane.start(CONTROLLER_MANAGER, SCHEDULER)
        yield plane
    finally:
        for component in reversed(components.values()):
            component.kill()
        shutil.rmtree(folder, ignore_errors=True)
