"""Installing the operator with Helm where something went wrong before."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess

import pytest

from tests.support.cluster.kubernetes_cli import OPERATOR_NAMESPACE, items, operator_pod, wait_until
from tests.support.paths import HACK

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("cluster")]
INSTALL = HACK / "cluster" / "install-operator.sh"
PENDING = "owner=helm,name=trainingrun-operator,status=pending-upgrade"


def test_an_installation_that_was_killed_does_not_stand_in_the_way_of_the_next() -> None:
    changed = ["--set", f"podAnnotations.killed={secrets.token_hex(3)}"]
    with subprocess.Popen([INSTALL, *changed], start_new_session=True) as process:
        wait_until("Helm has begun", lambda: items(OPERATOR_NAMESPACE, "secrets", PENDING), timeout_s=60)
        os.killpg(process.pid, signal.SIGKILL)
    assert items(OPERATOR_NAMESPACE, "secrets", PENDING)
    subprocess.run([INSTALL], check=True)
    assert not items(OPERATOR_NAMESPACE, "secrets", PENDING)
    assert wait_until("the operator is ready", operator_pod)
