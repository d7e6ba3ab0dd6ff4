#!/usr/bin/env python3
"""A fake GPU device plugin, for tests and the demo only.

It speaks the kubelet's real device-plugin API and advertises ``nvidia.com/gpu`` devices that do not exist. The
scheduler, the kubelet and quota treat them like real ones; a container that gets one finds its id in
``NVIDIA_VISIBLE_DEVICES``, and no hardware. Ids are ``GPU-fake-0``, ``GPU-fake-1``, ... One id per line in the
unhealthy file makes that device ``Unhealthy`` within a second; taking the line out heals it.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

PLUGIN_FOLDER = Path("/var/lib/kubelet/device-plugins")
ENDPOINT = "trainingrun-fake-gpu.sock"
POLL_SECONDS = 0.5

log = logging.getLogger("fake_gpu_plugin")


def load_api() -> tuple[Any, Any]:
    """Return the message and the service module of api.proto, made in memory."""
    folder = str(Path(__file__).resolve().parent)
    sys.path.insert(0, folder)  # grpc looks .proto files up on the import path
    try:
        messages, services = grpc.protos_and_services("api.proto")  # type: ignore[attr-defined, unused-ignore]
    finally:
        sys.path.remove(folder)
    return messages, services


api, rpc = load_api()


class Devices:
    """The devices and their health; whoever watches is woken when the health changes."""

    def __init__(self, count: int, unhealthy_file: Path | None) -> None:
        """Make ``count`` devices; ``unhealthy_file`` may be absent, now or later."""
        self.ids = [f"GPU-fake-{index}" for index in range(count)]
        self._unhealthy_file = unhealthy_file
        self._changed = threading.Condition()
        self._closed = False
        self._generation = 0
        self._unhealthy = self._read()

    def _read(self) -> frozenset[str]:
        try:
            text = self._unhealthy_file.read_text("utf-8") if self._unhealthy_file else ""
        except OSError:  # absent: every device is healthy
            text = ""
        return frozenset(text.split()) & frozenset(self.ids)

    def refresh(self) -> bool:
        """Read the file again; return whether a device's health changed."""
        unhealthy = self._read()
        with self._changed:
            if unhealthy == self._unhealthy:
                return False
            self._unhealthy = unhealthy
            self._generation += 1
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """End every watch."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _snapshot(self) -> Any:
        return api.ListAndWatchResponse(
            devices=[
                api.Device(ID=name, health="Unhealthy" if name in self._unhealthy else "Healthy") for name in self.ids
            ]
        )

    def watch(self, context: grpc.ServicerContext) -> Iterator[Any]:
        """Yield the list of devices now and after each change, while the client listens."""
        seen = -1
        while context.is_active():
            with self._changed:
                if self._generation == seen and not self._closed:
                    self._changed.wait(timeout=5)  # and look now and then whether the client is still there
                if self._closed:
                    return
                if self._generation == seen:
                    continue
                seen = self._generation
                answer = self._snapshot()
            yield answer


# ruff: noqa: N802, ARG002 - the names and parameters below are the API's
class Plugin:
    """The DevicePlugin service; its method names are those of the API."""

    def __init__(self, devices: Devices) -> None:
        """Serve these devices."""
        self._devices = devices

    def GetDevicePluginOptions(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Nothing to do before a container starts, no preference among devices."""
        return api.DevicePluginOptions()

    def ListAndWatch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """Stream the devices and their health."""
        return self._devices.watch(context)

    def Allocate(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Give each container its devices, by name only."""
        answers = []
        for container in request.container_requests:
            names = list(container.devices_ids)
            unknown = sorted(set(names) - set(self._devices.ids))
            if unknown:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no such device: {', '.join(unknown)}")
            log.info("allocated %s", ", ".join(names))
            answers.append(api.ContainerAllocateResponse(envs={"NVIDIA_VISIBLE_DEVICES": ",".join(names)}))
        return api.AllocateResponse(container_responses=answers)

    def PreStartContainer(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Never asked for; answered all the same."""
        return api.PreStartContainerResponse()


class Server:
    """Serves the plugin's socket and keeps it registered with whatever kubelet is there."""

    def __init__(self, folder: Path, resource: str, devices: Devices) -> None:
        """Prepare to serve in the kubelet's plugin folder; nothing is opened yet."""
        self._kubelet = folder / "kubelet.sock"
        self._socket = folder / ENDPOINT
        self._resource = resource
        self._devices = devices
        self._server: grpc.Server | None = None
        self._registered_with: tuple[int, int] | None = None

    def _kubelet_identity(self) -> tuple[int, int] | None:
        """What tells one kubelet's socket from the next one's: an inode number alone is soon used again."""
        try:
            stat = self._kubelet.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_ctime_ns

    def ensure(self) -> bool:
        """Serve and register unless that is done already; return whether a registration was made.

        A kubelet that restarts empties the folder, our socket included, and has forgotten us.
        """
        kubelet = self._kubelet_identity()
        if kubelet is None or (kubelet == self._registered_with and self._socket.exists()):
            return False
        self.stop()
        self._serve()
        try:
            self._register()
        except grpc.RpcError as error:  # its socket is there, it does not listen yet: the next round tries again
            log.info("the kubelet does not take the registration yet: %s", error.code())  # type: ignore[attr-defined, unused-ignore]
            return False
        self._registered_with = kubelet
        log.info("registered %d %s", len(self._devices.ids), self._resource)
        return True

    def _serve(self) -> None:
        self._socket.unlink(missing_ok=True)
        server = grpc.server(futures.ThreadPoolExecutor(8))
        rpc.add_DevicePluginServicer_to_server(Plugin(self._devices), server)
        server.add_insecure_port(f"unix://{self._socket}")
        server.start()
        self._server = server

    def _register(self) -> None:
        with grpc.insecure_channel(f"unix://{self._kubelet}") as channel:
            request = api.RegisterRequest(version="v1beta1", endpoint=ENDPOINT, resource_name=self._resource)
            rpc.RegistrationStub(channel).Register(request, timeout=5)

    def stop(self) -> None:
        """Close the socket; the kubelet then counts the devices as gone."""
        self._registered_with = None
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None


def run(server: Server, devices: Devices, stop: threading.Event) -> None:
    """Keep registered, and follow the unhealthy file, until told to stop."""
    while not stop.is_set():
        server.ensure()
        if devices.refresh():
            log.info("the health of a device changed")
        stop.wait(POLL_SECONDS)
    devices.close()
    server.stop()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; FAKE_GPUS is the default of --count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=int(os.environ.get("FAKE_GPUS") or 2), help="how many devices")
    parser.add_argument("--resource", default="nvidia.com/gpu", help="what the devices are called")
    parser.add_argument("--folder", type=Path, default=PLUGIN_FOLDER, help="the kubelet's device-plugins folder")
    parser.add_argument("--unhealthy-file", type=Path, help="ids of unhealthy devices, one per line; may be absent")
    options = parser.parse_args(arguments)
    if options.count < 0:
        parser.error("--count must not be negative")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    stop = threading.Event()

    def end(_signal: int, _frame: types.FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    devices = Devices(options.count, options.unhealthy_file)
    run(Server(options.folder, options.resource, devices), devices, stop)


if __name__ == "__main__":
    main()
