"""The local cluster's scripts where they must refuse or do nothing. A cluster that runs meanwhile is not disturbed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import HACK

pytestmark = pytest.mark.integration
Script = Callable[..., "subprocess.CompletedProcess[str]"]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="the local cluster's scripts need root")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def script(state: Path) -> Script:
    """Runs a script of hack/ with a state folder of this test's own."""

    def run_script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {
            key: value for key, value in os.environ.items() if key not in ("CLUSTER", "KUBECONFIG", "FAKE_GPUS")
        }
        variables |= {"TRAININGRUN_STATE": str(state), **environment}
        return subprocess.run(
            [str(HACK / name), *arguments], env=variables, capture_output=True, text=True, check=False, timeout=120
        )

    return run_script


def library(state: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Runs a function of lib.sh."""
    shell = ["bash", "-euc", f'. "{HACK}/cluster/lib.sh"; {command}']
    variables = {**os.environ, "CLUSTER": "local", "TRAININGRUN_STATE": str(state)}
    return subprocess.run(shell, env=variables, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def process_of_a_cluster(folder: Path, cluster: str, *, is_pid_1: bool) -> Iterator[None]:
    """A process with the command line of a local cluster's first one."""
    program = folder / "hack" / "cluster" / "inside.sh"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("echo started\nread -r\n")
    prefix = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL"] if is_pid_1 else []
    command = [*prefix, "bash", str(program), cluster]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield
        finally:
            process.communicate("\n", timeout=10)


def programs(folder: Path, **scripts: str) -> str:
    """A PATH on which these shell scripts come before this machine's programs of the same names."""
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_the_kubeconfig_is_the_local_cluster_s_or_the_users_own(script: Script, state: Path) -> None:
    assert script("cluster/kubeconfig.sh").stdout == f"{state}/kubeconfig\n"
    assert script("cluster/kubeconfig.sh", CLUSTER="current", KUBECONFIG="/a:/b").stdout == "/a:/b\n"


def test_an_unknown_kind_of_cluster_is_refused(script: Script) -> None:
    result = script("cluster/up.sh", CLUSTER="cloud")
    assert result.returncode == 1
    assert "CLUSTER must be 'local' or 'current'" in result.stderr


def test_a_number_of_nodes_that_is_none_is_refused(script: Script) -> None:
    for arguments in (["--kwok-nodes", "many"], ["--kwok-nodes"], ["--nodes", "1"]):
        result = script("cluster/up.sh", *arguments)
        assert result.returncode == 1
        assert result.stderr.startswith("error: ")


def test_down_leaves_a_cluster_of_the_users_alone(script: Script) -> None:
    result = script("cluster/down.sh", CLUSTER="current")
    assert result.returncode == 0
    assert "that cluster is yours, and nothing is stopped" in result.stdout


@root_only
def test_down_without_a_cluster_is_no_error_and_makes_nothing(script: Script, state: Path) -> None:
    result = script("cluster/down.sh")
    assert result.returncode == 0, result.stderr
    assert not state.exists()


@pytest.mark.parametrize(("purge", "options"), [("", ""), ("0", ""), ("1", "--purge")])
def test_only_purge_1_purges(purge: str, options: str) -> None:
    command = ["make", "--no-print-directory", "--dry-run", "cluster-down", f"PURGE={purge}"]
    # These tests run below `make test`, whose own options would be handed down.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    printed = subprocess.check_output(command, cwd=HACK.parent, env=environment, text=True)
    assert printed.strip() == f"hack/cluster/down.sh {options}".strip()


@root_only
def test_down_leaves_the_mount_points_of_another_cluster_that_runs(script: Script, state: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mount-point"
    folder.mkdir()
    (state / "cluster").mkdir(parents=True)
    (state / "cluster" / "made-folders").write_text(f"{folder}\n")
    with process_of_a_cluster(tmp_path, f"{tmp_path}/another/cluster", is_pid_1=True):
        assert script("cluster/down.sh").returncode == 0
    assert folder.exists()


@root_only
def test_purge_deletes_the_state_and_nothing_beside_it(script: Script, state: Path) -> None:
    outside = state.parent / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (state / "cluster").mkdir(parents=True)
    (state / "s3" / "data").mkdir(parents=True)
    (state / "demo" / "documents").mkdir(parents=True)
    (state / "images.env").touch()
    (state / "s3" / "link").symlink_to(outside)
    result = script("cluster/down.sh", "--purge")
    assert result.returncode == 0, result.stderr
    assert not state.exists()
    assert (outside / "precious").exists()


@root_only
def test_purge_keeps_what_is_not_the_cluster_s(script: Script, state: Path) -> None:
    (state / "cluster").mkdir(parents=True)
    (state / "mine.txt").touch()
    result = script("cluster/down.sh", "--purge")
    assert result.returncode == 0
    assert "mine.txt" in result.stderr
    assert [path.name for path in state.iterdir()] == ["mine.txt"]


@root_only
def test_purge_refuses_a_folder_that_does_not_look_like_its_state(script: Script, state: Path) -> None:
    state.mkdir()
    (state / "s3").mkdir()
    result = script("cluster/down.sh", "--purge")
    assert result.returncode == 1
    assert "not a state folder of ours" in result.stderr
    assert (state / "s3").exists()


@root_only
def test_purge_refuses_while_something_is_mounted_in_the_state_folder(script: Script, state: Path) -> None:
    mounted = state / "registry" / "mounted"
    (state / "cluster").mkdir(parents=True)
    mounted.mkdir(parents=True)
    # In a mount namespace of its own, so that nothing stays behind whatever happens.
    shell = f'mount -t tmpfs tmpfs "{mounted}" && touch "{mounted}/precious" && "{HACK}/cluster/down.sh" --purge'
    result = subprocess.run(
        ["unshare", "--mount", "bash", "-c", f'{shell}; echo "exit $?"; ls "{mounted}"'],
        env={**os.environ, "CLUSTER": "local", "TRAININGRUN_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "exit 1\nprecious" in result.stdout
    assert f"{mounted} is still mounted" in result.stderr


@root_only
def test_only_pid_1_of_a_namespace_is_taken_for_the_cluster(state: Path, tmp_path: Path) -> None:
    """A stale record could point at anything; even the same command line is not enough."""
    for is_pid_1, found in ((False, 1), (True, 0)):
        with process_of_a_cluster(tmp_path, f"{state}/cluster", is_pid_1=is_pid_1):
            assert library(state, "cluster_pid").returncode == found
            assert library(tmp_path / "another", "cluster_pid").returncode == 1
            assert library(tmp_path / "another", f'running_clusters | grep " {state}/cluster$"').returncode == found


def test_commands_that_need_the_cluster_say_that_it_is_not_running(script: Script) -> None:
    for name, arguments in (
        ("cluster/s3.sh", ["env"]),
        ("cluster/s3.sh", ["start"]),
        ("cluster/component.sh", ["list"]),
        ("cluster/enter.sh", ["true"]),
        ("cluster/smoke.sh", []),
    ):
        if os.geteuid() != 0 and name != "cluster/s3.sh":
            continue
        result = script(name, *arguments)
        assert result.returncode == 1, name
        assert "hack/cluster/up.sh" in result.stderr, name


def test_a_wrong_command_prints_the_usage(script: Script) -> None:
    assert "usage: hack/cluster/s3.sh" in script("cluster/s3.sh", "destroy").stderr
    assert "usage: hack/cluster/down.sh" in script("cluster/down.sh", "--all").stderr


def test_secrets_are_made_once_and_readable_by_their_owner_only(script: Script, state: Path) -> None:
    assert script("cluster/s3.sh", "prepare").returncode == 0
    files = {name: (state / "s3" / name) for name in ("sse-key", "identities", "config.json")}
    before = {name: path.read_text() for name, path in files.items()}
    assert {oct(path.stat().st_mode & 0o777) for path in files.values()} == {"0o600"}
    assert script("cluster/s3.sh", "prepare").returncode == 0
    assert {name: path.read_text() for name, path in files.items()} == before


@root_only
def test_apt_removes_nothing_and_leaves_docker_s_containerd_alone(script: Script, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    record = f'echo "${{0##*/}} $*" >> "{calls}"'
    fakes = {"apt-get": record, "systemctl": record, "dpkg-query": "exit 1", "containerd": "", "runc": ""}
    path = programs(tmp_path / "bin", **fakes)
    assert script("setup/apt.sh", PATH=path).returncode == 0
    install = next(line for line in calls.read_text().splitlines() if " install " in line).split()
    assert "--no-remove" in install
    assert "etcd-server" in install
    assert not {"containerd", "runc"} & set(install)

    calls.unlink()
    assert script("setup/apt.sh", PATH=path, CLUSTER="current").returncode == 0
    assert "buildah" in calls.read_text()
    assert "etcd-server" not in calls.read_text()


def test_the_cluster_s_addresses_are_asked_without_a_proxy(state: Path) -> None:
    for before in ("", "internal.example"):
        twice = (
            f'NO_PROXY={before} no_proxy=; . "{HACK}/setup/env.sh"; . "{HACK}/setup/env.sh"; echo "$NO_PROXY $no_proxy"'
        )
        upper, lower = library(state, twice).stdout.split()
        assert upper == lower
        assert upper.split(",") == [*filter(None, [before]), "10.89.0.1", "10.96.0.0/16", "10.244.0.0/24"]


def test_the_demo_on_a_cluster_of_the_users_says_at_once_what_it_lacks(script: Script, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", kubectl="exit 1", helm="echo v3.19.0")
    given = {"AWS_S3_ENDPOINT": "http://s3.example", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    absent = script("demo/demo.sh", CLUSTER="current", PATH=path, **given | {"REGISTRY": "", "AWS_ACCESS_KEY_ID": ""})
    assert "needs REGISTRY AWS_ACCESS_KEY_ID:" in absent.stderr
    old = script("demo/demo.sh", CLUSTER="current", PATH=path, **given, REGISTRY="registry.example")
    assert "needs Helm 4, and this is v3.19.0" in old.stderr
    assert script("images/build.sh", CLUSTER="current", REGISTRY="", TRAININGRUN_CACHE=str(tmp_path)).returncode == 1
