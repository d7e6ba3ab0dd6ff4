"""PDFs that are made to take all time or all memory: each ends by itself, and is quarantined or drawn."""

import json
import resource
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.documents.faults import draw_faults
from tests.support.preprocess.raw_pdf import one_page, pdf
from training.documents import poppler
from training.documents.poppler import PdfFile
from training.documents.quarantine import DocumentError, QuarantinedDocument, Reason
from training.documents.render import RenderOptions, page_sizes
from training.preprocess.chunk import DocumentTask, PageOptions, PreparedChunk, prepare_chunk
from training.process.container import available_cpus
from training.process.limits import MIN_MEMORY_BYTES, limit_process, memory_share
from training.process.pool import DocumentPool

pytestmark = pytest.mark.integration

PAGE_TIMEOUT_S = 2
MOST_PROCESSOR_S = 15  # three programs at most, each of which gets page_timeout_s and 2 s
SLOW_STROKES = 150  # over a whole page: a second and a half of pdftoppm
MOST_PYTHON_BYTES = 128 << 20  # a process that prepares an ordinary document takes 40 MiB


def image_of_2_gigapixels() -> bytes:
    row = b"\0" * (50_000 // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row * 1000) for _ in range(40)) + packer.flush()
    return (
        b"<< /Type /XObject /Subtype /Image /Width 50000 /Height 40000 /ColorSpace /DeviceGray /BitsPerComponent 1 "
        b"/Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(data), data)
    )


def many_words() -> bytes:
    return b"".join(b"1 0 0 1 %d %d Tm (word) Tj\n" % (x, y) for y in range(2, 840, 2) for x in range(5, 590, 4))


def cyclic_tree() -> bytes:
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 1000000000 /Parent 3 0 R >>",
        b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 1000000000 /Parent 2 0 R >>",
    )


def lying_count() -> bytes:
    return one_page(b"BT /F 12 Tf 100 700 Td (x) Tj ET").replace(b"/Count 1 ", b"/Count 10000000 ")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    drawn = tmp_path_factory.mktemp("hostile")
    draw_faults(drawn)
    made: dict[str, Callable[[], bytes]] = {
        "a page bomb": (drawn / "pdfs" / "timeout-page-bomb.pdf").read_bytes,
        "a page of 100,000 points": (drawn / "pdfs" / "too_large-page.pdf").read_bytes,
        "an image of 2 gigapixels": lambda: one_page(b"595 0 0 842 0 0 cm /I Do", image_of_2_gigapixels()),
        "a gigabyte of nothing": lambda: one_page(b" " * (1 << 30)),
        "millions of words": lambda: one_page(b"BT /F 1 Tf\n" + many_words() * 40 + b"ET"),
        "a cyclic page tree": cyclic_tree,
        "a count of ten million": lying_count,
        "a million complaints": lambda: one_page((b"x" * 120 + b"\n") * 1_000_000),
        "fifty million states to come back to": lambda: one_page(b"q " * 50_000_000),
        "nothing": lambda: b"",
    }
    return lambda name: made[name]()


@pytest.mark.parametrize(
    ("name", "tables", "reasons"),
    [
        ("a page bomb", 1, {Reason.TIMEOUT}),
        ("a page of 100,000 points", 1, {Reason.TOO_LARGE}),
        ("an image of 2 gigapixels", 1, {None, Reason.CORRUPT, Reason.TIMEOUT, Reason.TOO_LARGE}),
        ("a gigabyte of nothing", 1, {Reason.CORRUPT, Reason.TIMEOUT}),  # a blank page, with a table on it
        ("millions of words", 1, {Reason.TIMEOUT, Reason.TOO_LARGE}),
        ("a cyclic page tree", 1, {Reason.CORRUPT}),
        ("a count of ten million", 1, {None, Reason.CORRUPT, Reason.TOO_LARGE}),
        ("a million complaints", 1, {Reason.CORRUPT, Reason.TIMEOUT}),  # a blank page as well
        ("a million complaints", 0, {None, Reason.TIMEOUT}),  # drawn, but not read
        ("fifty million states to come back to", 1, {Reason.TIMEOUT, Reason.TOO_LARGE}),
        ("nothing", 1, {Reason.CORRUPT}),
    ],
)
def test_a_hostile_document_ends_within_its_bounds_and_leaves_nothing_running(
    name: str, tables: int, reasons: set[Reason | None], hostile: Callable[[str], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "hostile.pdf"
    path.write_bytes(hostile(name))
    table = {"type": "table", "bbox": {"left": 100, "top": 100, "width": 200, "height": 100}}
    page = {"page_num": 0, "bbox": {"left": 0, "top": 0, "width": 992, "height": 1404}, "blocks": [table] * tables}
    (tmp_path / "hostile.json").write_text(json.dumps({"pages": [page]}))
    (tmp_path / "out").mkdir()
    options = PageOptions(render=RenderOptions(page_timeout_s=PAGE_TIMEOUT_S))
    task = DocumentTask("x", PdfFile(path), tmp_path / "hostile.json", tmp_path / "out", options)
    with DocumentPool(1, initialize=limit_to_the_least) as pool:
        result, taken = pool.result(pool.submit(measured, task), measured, task)
    found = None if isinstance(result, PreparedChunk) else result.reason
    assert found in reasons, result
    assert taken.python_bytes < MOST_PYTHON_BYTES
    assert taken.program_bytes <= MIN_MEMORY_BYTES
    assert taken.processor_s < MOST_PROCESSOR_S
    left = subprocess.run(["pgrep", "-f", str(path)], capture_output=True, text=True, check=False).stdout
    assert left == ""


@dataclass(frozen=True)
class Taken:
    """The most memory that a process of the pool took, and the largest program that it started; all their work."""

    python_bytes: int
    program_bytes: int
    processor_s: float


def limit_to_the_least() -> None:
    """The bounds in a small container: they come sooner and take less of the machine that runs the tests."""
    limit_process()
    resource.setrlimit(resource.RLIMIT_AS, (MIN_MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


@pytest.mark.parametrize("rivals", [0, 8])
@pytest.mark.parametrize(
    ("strokes", "reason"), [(SLOW_STROKES, None), (10 * SLOW_STROKES, Reason.TIMEOUT)], ids=["slow", "too slow"]
)
def test_a_documents_fate_is_the_same_on_a_busy_machine(
    strokes: int, reason: Reason | None, rivals: int, tmp_path: Path
) -> None:
    path = tmp_path / "slow.pdf"
    path.write_bytes(one_page(b"0 0 m 600 800 l 0 400 l 600 0 l B*\n" * strokes))
    page = {"page_num": 0, "bbox": {"left": 0, "top": 0, "width": 992, "height": 1404}, "blocks": []}
    (tmp_path / "slow.json").write_text(json.dumps({"pages": [page]}))
    (tmp_path / "out").mkdir()
    options = PageOptions(render=RenderOptions(page_timeout_s=PAGE_TIMEOUT_S))
    task = DocumentTask("x", PdfFile(path), tmp_path / "slow.json", tmp_path / "out", options)
    with ExitStack() as busy:
        for _ in range(rivals):
            rival = busy.enter_context(subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]))
            busy.callback(rival.kill)
        result = prepare_chunk(task, 0)
    assert (None if isinstance(result, PreparedChunk) else result.reason) is reason, result


def measured(task: DocumentTask) -> tuple[PreparedChunk | QuarantinedDocument, Taken]:
    result = prepare_chunk(task, 0)
    own, programs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = own.ru_utime + own.ru_stime + programs.ru_utime + programs.ru_stime
    return result, Taken(own.ru_maxrss << 10, programs.ru_maxrss << 10, processor_s)


def limits() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_CORE)[0]


def test_the_bounds_hold_in_every_process_of_the_pool_and_in_what_it_starts() -> None:
    with DocumentPool(1, initialize=limit_process) as pool:
        assert pool.result(pool.submit(limits), limits) == (memory_share(available_cpus()), 0)
        shown = pool.result(pool.submit(memory_of_a_child), memory_of_a_child)
    assert int(shown) == memory_share(available_cpus()) // 1024


def memory_of_a_child() -> str:
    return subprocess.run(["bash", "-c", "ulimit -v"], capture_output=True, text=True, check=True).stdout


def test_what_a_program_prints_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poppler, "MAX_ANSWER_BYTES", 10)
    path = tmp_path / "x.pdf"
    path.write_bytes(one_page(b""))
    with pytest.raises(DocumentError) as caught:
        page_sizes(PdfFile(path))
    assert caught.value.quarantine_reason is Reason.TOO_LARGE


def test_a_password_is_in_no_message_and_no_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = PdfFile(tmp_path / "x.pdf", "open sesame")
    assert "sesame" not in repr(file)
    assert "sesame" not in repr(QuarantinedDocument("x", Reason.CORRUPT, "x"))
    program = tmp_path / "pdfinfo"
    program.write_text("#!/bin/sh\nwhile :; do :; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("training.documents.render.PROGRAM_TIMEOUT_S", 0.2)
    with pytest.raises(DocumentError) as caught:
        page_sizes(file)
    assert "sesame" not in str(caught.value)
    assert caught.value.__context__ is None or "sesame" not in str(caught.value.__context__)
