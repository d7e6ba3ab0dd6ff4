"""What a test session cleans up and what it knows of others, against an API client that only remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.cluster.kube import Kube
from tests.support.cluster.sessions import session


@dataclass
class RecordingKube:
    """Two namespaces of tests: one that is left over, one that is being deleted already."""

    kubeconfig: Path
    server: str = "https://10.89.0.1:6443"
    deleted: list[str] = field(default_factory=list)

    def items(self, path: str) -> list[dict[str, Any]]:
        assert path == "/api/v1/namespaces?labelSelector=trainingrun-test"
        phases = {"left": "Active", "going": "Terminating"}
        return [{"metadata": {"name": name}, "status": {"phase": phase}} for name, phase in phases.items()]

    def delete(self, path: str) -> None:
        self.deleted.append(path)


@pytest.fixture
def recorder(tmp_path: Path) -> RecordingKube:
    (tmp_path / "cluster").mkdir()
    return RecordingKube(tmp_path / "kubeconfig")


@pytest.fixture
def kube(recorder: RecordingKube) -> Kube:
    return cast("Kube", recorder)


def test_a_session_deletes_what_a_killed_one_left(kube: Kube, recorder: RecordingKube) -> None:
    with session(kube):
        assert recorder.deleted == ["/api/v1/namespaces/left"]


def test_a_session_deletes_nothing_while_another_is_at_work(kube: Kube, recorder: RecordingKube) -> None:
    with session(kube):
        recorder.deleted.clear()
        with session(kube):
            assert recorder.deleted == []


def test_a_session_deletes_nothing_on_a_cluster_of_the_users(kube: Kube, recorder: RecordingKube) -> None:
    recorder.server = "https://production.example:443"
    with session(kube) as is_last:
        assert recorder.deleted == []
        assert is_last()


def test_only_the_last_of_two_sessions_is_told_so(kube: Kube) -> None:
    with session(kube) as is_last:
        with session(kube) as other_is_last:
            assert not other_is_last()
        assert is_last()
