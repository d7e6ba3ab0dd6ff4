"""The command in a process of its own, with a model that was trained; the same in a Python program."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from hack.documents.corpus import draw_corpus
from hack.ports import free_ports
from tests.support.train.place import Place
from training.infer.finder import TableFinder, tables_of
from training.model.detections import Detection
from training.serve import command as serve

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    draw_corpus(folder, documents=1, seed=4, pages=2)
    return next((folder / "pdfs").iterdir())


@contextmanager
def running(model: Path, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server's address once it answers, and its process."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "training.serve", "--model", str(model), "--port", str(port), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline_s = time.monotonic() + 300
        while not answers(url):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        yield url, process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return urllib3.request("GET", f"{url}/healthz", timeout=5, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def test_a_model_is_served_until_sigterm_and_a_program_finds_the_same_tables(straight: Place, pdf: Path) -> None:
    with running(straight.model, "--device", "cpu", "--score", "0") as (url, process):
        answer = urllib3.request("POST", f"{url}/v1/tables?name=a.pdf", body=pdf.read_bytes(), timeout=120)
        served = answer.json()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
    with TableFinder(str(straight.model), device="cpu", score=0) as finder:
        found = [finder.tables_of(pdf) for _ in range(2)]
    assert found[0] == found[1]
    assert [len(page["blocks"]) for page in served["pages"]] == [len(page.tables) for page in found[0]]
    assert [page.number for page in tables_of(pdf, str(straight.model))] == [0, 1]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--model", "nowhere.pth"], 66, "nowhere.pth"),
        (["--model", "nowhere.pth", "--port", "0"], 64, "--port"),
        ([], 64, "--model"),
    ],
)
def test_what_cannot_be_served_ends_with_a_sentence(
    options: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve.main(options) == code
    assert said in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(straight: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main(["--model", str(straight.model), "--port", str(port)], load_detector=lambda *_: Idle()) == 64
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


class Idle:
    """A network that is never asked."""

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        raise AssertionError(images)
