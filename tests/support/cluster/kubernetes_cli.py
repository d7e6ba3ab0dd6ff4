"""kubectl for tests: JSON in, JSON out, against the local cluster only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")
OPERATOR_NAMESPACE = "trainingrun-system"


def kubectl(*arguments: str, stdin: Object | None = None) -> str:
    """Runs kubectl; fails with kubectl's own words."""
    text = None if stdin is None else json.dumps(stdin)
    result = subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}"
    return result.stdout


def get(namespace: str, kind: str, name: str) -> Object:
    found: Object = json.loads(kubectl("-n", namespace, "get", kind, name, "-o", "json"))
    return found


def items(namespace: str, kind: str, selector: str = "") -> list[Object]:
    selection = ["-l", selector] if selector else []
    found: list[Object] = json.loads(kubectl("-n", namespace, "get", kind, *selection, "-o", "json"))["items"]
    return found


def wait_until(what: str, probe: Callable[[], T | None], timeout_s: float = 300) -> T:
    """Polls until `probe` returns something; fails with `what` in its message."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {timeout_s:.0f} s: {what}")


def condition(resource: Object, kind: str) -> Object:
    """The condition of that type, or an empty one."""
    conditions: list[Object] = resource.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


class Watch:
    """`kubectl get trainingrun NAME --watch`: every object it printed, in order, until closed."""

    def __init__(self, namespace: str, name: str) -> None:
        self.seen: list[Object] = []
        self._process = subprocess.Popen(
            ["kubectl", "-n", namespace, "get", "trainingrun", name, "--watch", "-o", "json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        decoder, text = json.JSONDecoder(), ""
        for line in self._process.stdout:
            text += line
            if line.rstrip() == "}":  # kubectl indents: a closing brace in column one ends an object
                self.seen.append(decoder.decode(text))
                text = ""

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        self._reader.join(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()


def operator_pod() -> Object | None:
    """The operator's running, ready pod."""
    for pod in items(OPERATOR_NAMESPACE, "pods", "app.kubernetes.io/name=trainingrun-operator"):
        if condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]:
            return pod
    return None


def kill_operator() -> None:
    """SIGKILL to the operator's process, as an out-of-memory killer would; waits until it is back.

    The process is found on the host by its pod's UID in its cgroup: the container has no shell to send it from.
    """
    pod = wait_until("the operator's pod is ready", operator_pod)
    restarts = pod["status"]["containerStatuses"][0]["restartCount"]
    victims = _processes(pod, b"trainingrun_operator")
    assert victims, f"no process of pod {pod['metadata']['name']} on this host"
    for pid in victims:
        os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        now = operator_pod()
        return now is not None and now["status"]["containerStatuses"][0]["restartCount"] > restarts

    wait_until("the killed operator is back", is_back, timeout_s=120)


def worker_processes(pod: Object) -> list[int]:
    """The main process of a worker's pod, by its number on this host; none before it runs."""
    return _processes(pod, b"python3\0-m\0training.")


def _processes(pod: Object, command: bytes) -> list[int]:
    """Processes of a pod with these words in their command line, oldest first."""
    uid = pod["metadata"]["uid"]
    numbers = sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [number for number in numbers if _is_in_pod(Path("/proc") / str(number), uid, command)]


def _is_in_pod(process: Path, pod_uid: str, words: bytes) -> bool:
    try:
        cgroup, command = (process / "cgroup").read_text(), (process / "cmdline").read_bytes()
    except OSError:
        return False  # it ended meanwhile
    return pod_uid in cgroup and words in command
