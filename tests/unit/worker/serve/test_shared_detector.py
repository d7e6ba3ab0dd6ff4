"""One network for the threads of several documents."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from training.geometry import Box
from training.model.detections import Detection
from training.serve.shared_detector import SharedDetector

BATCH = 4
Found = Future[list[list[Detection]]]


class Network:
    """Finds on each page one table as wide as the page's name says, once it may; fails at pages called `bad`."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.may_go = threading.Event()
        self.batches: list[int] = []

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        self.is_asked.set()
        assert self.may_go.wait(10)
        self.batches.append(len(images))
        if any(image.name == "bad" for image in images):
            raise ValueError("no page")
        return [[Detection(1, 0.9, Box(0, 0, int(image.name), 1))] for image in images]


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def detector(network: Network) -> Iterator[SharedDetector]:
    with closing(SharedDetector(network, batch_size=BATCH)) as detector:
        yield detector


def widths(found: Sequence[Sequence[Detection]]) -> list[float]:
    return [detection.box.right for page in found for detection in page]


def test_each_document_gets_its_own_pages_in_order(network: Network, detector: SharedDetector) -> None:
    network.may_go.set()
    asked = [[f"{10 * document + page}" for page in range(document % 4)] for document in range(20)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda names: widths(detector.detect([Path(name) for name in names])), asked))
    assert found == [[float(name) for name in names] for names in asked]


def wait_behind(
    network: Network, detector: SharedDetector, threads: ThreadPoolExecutor, names: Sequence[str]
) -> list[Found]:
    """Lets these pages wait while the network is at another; then it goes on."""
    first = threads.submit(detector.detect, [Path("0")])
    assert network.is_asked.wait(10)
    waiting = []
    for name in names:
        waiting.append(threads.submit(detector.detect, [Path(name)]))
        while detector.waiting < len(waiting):
            time.sleep(0.001)
    network.may_go.set()
    assert widths(first.result()) == [0.0]
    return waiting


def test_pages_that_wait_go_together_up_to_a_batch(network: Network, detector: SharedDetector) -> None:
    with ThreadPoolExecutor(10) as threads:
        found = wait_behind(network, detector, threads, [f"{number}" for number in range(9)])
        assert [widths(future.result()) for future in found] == [[float(number)] for number in range(9)]
    assert network.batches == [1, BATCH, BATCH, 1]


def test_a_page_that_fails_takes_no_other_document_along(network: Network, detector: SharedDetector) -> None:
    with ThreadPoolExecutor(4) as threads:
        one, bad, two = wait_behind(network, detector, threads, ["1", "bad", "2"])
        assert (widths(one.result()), widths(two.result())) == ([1.0], [2.0])
        with pytest.raises(ValueError, match="no page"):
            bad.result()
