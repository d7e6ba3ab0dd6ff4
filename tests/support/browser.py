"""Headless Chromium, to read pages as people see them and to take pictures of them.

Driven over the two pipes that `--remote-debugging-pipe` gives, so that no port is open and no driver is needed.
https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ANSWER_TIMEOUT_S = 60.0
DESKTOP, PHONE = 1280, 390  # widths of windows
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio")


class BrowserError(Exception):
    """Chromium ended, is silent, or refuses a command."""


class Page:
    """An open page. `problems` has what the browser complained of: what did not load, what was forbidden."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self._features: list[dict[str, str]] = []

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, which runs even where the page's policy forbids scripts."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def text(self) -> str:
        """All that is there to read, as it would be printed: a window leaves out what is far below it."""
        self._call("Emulation.setEmulatedMedia", media="print", features=self._features)
        text = str(self.evaluate("document.body.innerText"))
        self._call("Emulation.setEmulatedMedia", media="", features=self._features)
        return text

    def show(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Shows the page in a window of that many CSS pixels, in front of all others."""
        self._call("Page.bringToFront")
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=self._features)

    def screenshot(self, png: Path) -> None:
        """Writes a picture of what the window shows."""
        png.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    @property
    def problems(self) -> list[str]:
        """In the order in which they came."""
        self.evaluate("new Promise(done => setTimeout(done, 200))")  # for what is still on its way
        return self._browser.problems[self._session]

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)


def picture_that_fits(page: Page, png: Path, *, width: int, dark: bool) -> Image.Image:
    """Checks that the page fits a window of that many pixels, in light or in dark; the picture of it, in grey."""
    page.show(width=width, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(png)
    with Image.open(png) as image:
        assert image.width == width
        grey = image.convert("L")
    corner = grey.getpixel((2, grey.height // 2))
    assert isinstance(corner, int)
    assert (corner < 60) is dark
    return grey


def check_outline(page: Page) -> None:
    """Checks that the page can be read aloud: headings in order, and tables whose heads say what they head."""
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(heading => +heading.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.evaluate("[...document.querySelectorAll('th')].every(head => head.scope)")


def forbidden(page: Page) -> list[str]:
    """What the page's own policy kept from it."""
    return [problem for problem in page.problems if "Content Security Policy" in problem]


class Browser:
    """A running Chromium; from `running_browser`."""

    def __init__(self, process: "subprocess.Popen[bytes]", commands: int, answers: int) -> None:
        self._process = process
        self._commands = commands
        self._answers = answers
        self._buffer = b""
        self._last_id = 0
        self._loaded: set[str] = set()
        self.problems: dict[str, list[str]] = {}  # by session

    def open(self, place: Path | str) -> Page:
        """Opens a local file, or a URL, and waits until all of it is there."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.problems[session] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        page = Page(self, session)
        page.show(width=DESKTOP)
        self._loaded.discard(session)
        url = place if isinstance(place, str) else place.resolve().as_uri()
        answer = self.call("Page.navigate", session, url=url)
        if "errorText" in answer:
            raise BrowserError(f"{place} does not open: {answer['errorText']}")
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while session not in self._loaded:
            self._take_event(self._read(deadline))
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The answer to a command. Raises BrowserError."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            answer = self._read(deadline)
            if answer.get("id") != self._last_id:
                self._take_event(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            else:
                return dict(answer["result"])

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self._answers, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("Chromium ended" if ready else f"Chromium is silent for {ANSWER_TIMEOUT_S:g} s")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def _take_event(self, event: dict[str, Any]) -> None:
        session, parameters = event.get("sessionId", ""), event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loaded.add(session)
            case "Log.entryAdded" if parameters["entry"]["level"] in ("warning", "error"):
                self.problems[session].append(parameters["entry"]["text"])
            case "Network.loadingFailed":
                self.problems[session].append(f"{parameters['type']}: {parameters['errorText']}")
            case "Runtime.exceptionThrown":
                self.problems[session].append(parameters["exceptionDetails"]["text"])
            case _:
                pass

    def end(self) -> None:
        """Ends Chromium and all its processes."""
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium with a profile of its own. Where it is not installed the test fails on CI and is skipped elsewhere."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        message = "Chromium is not installed (hack/setup/apt.sh)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        command_read, commands = _pipe()
        answers, answer_write = _pipe()
        arguments = [program, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        # It reads from 3 and writes to 4, whatever numbers are free here.
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{command_read} 4>&{answer_write}', *arguments],
            pass_fds=(command_read, answer_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "HOME": profile, "XDG_CONFIG_HOME": profile, "XDG_CACHE_HOME": profile},
        )
        os.close(command_read)
        os.close(answer_write)
        browser = Browser(process, commands, answers)
        try:
            yield browser
        finally:
            browser.end()
            os.close(commands)
            os.close(answers)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends have numbers above those that Chromium expects its own at."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
