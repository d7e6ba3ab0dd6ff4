"""The fake GPU plugin against a kubelet's side of the API: registration, health, allocation, a restarted kubelet."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from hack.cluster.gpu_plugin.fake_gpu_plugin import ENDPOINT, Devices, Server, api, parse, rpc, run


class Kubelet:
    """The Registration service on a socket, as a kubelet serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[Any] = []
        self._server: grpc.Server | None = None

    def Register(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802, ARG002
        self.requests.append(request)
        return api.Empty()

    def start(self) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        rpc.add_RegistrationServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix://{self.folder}/kubelet.sock")
        self._server.start()

    def stop(self) -> None:
        """Ends, and empties the folder as the next kubelet does when it starts."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None
        for path in self.folder.iterdir():
            path.unlink(missing_ok=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    # pytest's own folder is too long for a socket's name, of which the kernel takes 107 characters.
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def kubelet(folder: Path) -> Iterator[Kubelet]:
    (folder / "plugins").mkdir()
    kubelet = Kubelet(folder / "plugins")
    kubelet.start()
    yield kubelet
    kubelet.stop()


@pytest.fixture
def unhealthy(folder: Path) -> Path:
    return folder / "unhealthy"


@pytest.fixture
def devices(unhealthy: Path) -> Devices:
    return Devices(2, unhealthy)


@pytest.fixture
def server(kubelet: Kubelet, devices: Devices) -> Iterator[Server]:
    server = Server(kubelet.folder, "nvidia.com/gpu", devices)
    yield server
    devices.close()
    server.stop()


@pytest.fixture
def plugin(server: Server, kubelet: Kubelet) -> Iterator[Any]:
    """A client of the plugin, once it is registered."""
    assert server.ensure()
    with grpc.insecure_channel(f"unix://{kubelet.folder}/{ENDPOINT}") as channel:
        yield rpc.DevicePluginStub(channel)


def health(answer: Any) -> dict[str, str]:
    return {device.ID: device.health for device in answer.devices}


def test_it_registers_its_resource_and_socket_once(server: Server, kubelet: Kubelet) -> None:
    assert server.ensure()
    assert not server.ensure()
    (request,) = kubelet.requests
    assert (request.version, request.endpoint, request.resource_name) == ("v1beta1", ENDPOINT, "nvidia.com/gpu")
    assert (kubelet.folder / ENDPOINT).is_socket()


def test_it_lists_every_device_as_healthy(plugin: Any) -> None:
    assert health(next(plugin.ListAndWatch(api.Empty(), timeout=10))) == {
        "GPU-fake-0": "Healthy",
        "GPU-fake-1": "Healthy",
    }


def test_a_changed_health_reaches_the_kubelet_and_heals_again(plugin: Any, devices: Devices, unhealthy: Path) -> None:
    answers = plugin.ListAndWatch(api.Empty(), timeout=20)
    next(answers)
    unhealthy.write_text("GPU-fake-1\n\nGPU-fake-9\n")
    assert devices.refresh()
    assert health(next(answers)) == {"GPU-fake-0": "Healthy", "GPU-fake-1": "Unhealthy"}
    assert not devices.refresh()
    unhealthy.unlink()
    assert devices.refresh()
    assert set(health(next(answers)).values()) == {"Healthy"}


def test_a_container_learns_its_devices(plugin: Any) -> None:
    containers = [
        api.ContainerAllocateRequest(devices_ids=["GPU-fake-0", "GPU-fake-1"]),
        api.ContainerAllocateRequest(devices_ids=["GPU-fake-0"]),
    ]
    answer = plugin.Allocate(api.AllocateRequest(container_requests=containers), timeout=10)
    given = [dict(container.envs) for container in answer.container_responses]
    assert given == [
        {"NVIDIA_VISIBLE_DEVICES": "GPU-fake-0,GPU-fake-1"},
        {"NVIDIA_VISIBLE_DEVICES": "GPU-fake-0"},
    ]


def test_a_device_that_does_not_exist_is_refused(plugin: Any) -> None:
    request = api.AllocateRequest(container_requests=[api.ContainerAllocateRequest(devices_ids=["GPU-fake-7"])])
    with pytest.raises(grpc.RpcError, match="no such device: GPU-fake-7"):
        plugin.Allocate(request, timeout=10)


def test_it_asks_for_nothing_before_a_container_starts(plugin: Any) -> None:
    options = plugin.GetDevicePluginOptions(api.Empty(), timeout=10)
    assert not options.pre_start_required
    assert plugin.PreStartContainer(api.PreStartContainerRequest(), timeout=10) == api.PreStartContainerResponse()


def test_it_registers_again_with_a_kubelet_that_restarted(server: Server, kubelet: Kubelet) -> None:
    assert server.ensure()
    kubelet.stop()
    assert not server.ensure()  # nobody there: it waits
    kubelet.start()
    assert server.ensure()
    assert len(kubelet.requests) == 2


def test_it_registers_again_when_its_socket_was_taken_away(server: Server, kubelet: Kubelet) -> None:
    assert server.ensure()
    (kubelet.folder / ENDPOINT).unlink()
    assert server.ensure()
    assert (kubelet.folder / ENDPOINT).is_socket()


def test_a_kubelet_that_does_not_listen_yet_is_asked_again(folder: Path, devices: Devices) -> None:
    (folder / "kubelet.sock").touch()
    server = Server(folder, "nvidia.com/gpu", devices)
    assert not server.ensure()
    (folder / "kubelet.sock").unlink()
    kubelet = Kubelet(folder)
    kubelet.start()
    assert server.ensure()
    server.stop()
    kubelet.stop()


def test_it_runs_until_it_is_stopped(server: Server, devices: Devices, kubelet: Kubelet) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(server, devices, stop))
    thread.start()
    wait_until(lambda: len(kubelet.requests) == 1)
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()


def wait_until(probe: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(200):
        if probe():
            return
        pause.wait(0.05)
    raise AssertionError("not within 10 s")


def test_no_devices_are_no_error(folder: Path) -> None:
    assert Devices(0, folder / "absent").ids == []


def test_the_number_of_devices_comes_from_the_option_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAKE_GPUS", raising=False)
    assert parse([]).count == 2
    monkeypatch.setenv("FAKE_GPUS", "5")
    assert parse([]).count == 5
    assert parse(["--count", "0"]).count == 0
    with pytest.raises(SystemExit):
        parse(["--count", "-1"])
