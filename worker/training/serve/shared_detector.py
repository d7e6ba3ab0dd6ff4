"""One network for several documents at once: their pages share its batches."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from training.infer.predictor import PageDetector
from training.model.detections import Detection

_Answer = Future[list[list[Detection]]]


class SharedDetector:
    """A `PageDetector` for any number of threads; the network itself is asked by one thread of its own.

    Pages that wait when the network is free go to it together, up to about `batch_size`. Close it at the end.
    """

    def __init__(self, network: PageDetector, *, batch_size: int) -> None:
        self._network = network
        self._batch_size = batch_size
        self._waiting: queue.SimpleQueue[tuple[Sequence[Path], _Answer] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        """Waits for the detections on each page. Raises what the network does."""
        answer: _Answer = Future()
        self._waiting.put((images, answer))
        return answer.result()

    @property
    def waiting(self) -> int:
        """How many calls wait for the network."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Ends the thread, once what waits is answered."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        is_open = True
        while is_open:
            asked: list[tuple[Sequence[Path], _Answer]] = []
            pages = 0
            while not asked or (pages < self._batch_size and not self._waiting.empty()):
                item = self._waiting.get()
                if item is None:
                    is_open = False
                    break
                asked.append(item)
                pages += len(item[0])
            self._answer(asked)

    def _answer(self, asked: Sequence[tuple[Sequence[Path], _Answer]]) -> None:
        try:
            found = iter(self._network.detect([image for images, _ in asked for image in images]))
        except Exception as error:  # noqa: BLE001  it is raised where it belongs
            if len(asked) == 1:
                asked[0][1].set_exception(error)
                return
            # Whose page it was shows when each goes alone.
            for item in asked:
                self._answer([item])
            return
        for images, answer in asked:
            answer.set_result([next(found) for _ in images])
