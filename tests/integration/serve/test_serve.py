"""The server over real PDFs, with a network that finds one table with two cells on each page."""

import asyncio
import base64
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application as WebApplication
from aiohttp.web import Request
from pypdf import PdfReader, PdfWriter

from hack.documents.corpus import draw_corpus
from tests.support.browser import DESKTOP, PHONE, Page, check_outline, forbidden, picture_that_fits, running_browser
from tests.support.infer.predicting import read_json
from tests.support.train.place import Place
from training.documents.render import RenderOptions
from training.errors import Transient
from training.geometry import Box
from training.infer import command as infer
from training.infer import render_ahead
from training.infer.predictor import Predictor
from training.model.bundle import VerifiedModel
from training.model.detections import Detection
from training.process.limits import limit_process
from training.process.pool import DocumentPool
from training.serve.application import Application, Bounds
from training.serve.documents import Documents, Limits

pytestmark = pytest.mark.integration
PAGES = 3
LIMITS = Limits(pages=PAGES, seconds=60, at_once=1, waiting=1)
Client = TestClient[Request, WebApplication]
Serving = Callable[..., AbstractAsyncContextManager[Client]]


class Network:
    """Waits until it may go; raises `error`, if there is one."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.may_go.set()
        self.is_asked = threading.Event()
        self.error: Exception | None = None

    def load(self, *_: object) -> "Network":
        return self

    def detect(self, images: Sequence[Path]) -> list[list[Detection]]:
        self.is_asked.set()
        assert self.may_go.wait(30)
        if self.error:
            raise self.error
        boxes = [(1, Box(100, 100, 500, 200)), (2, Box(110, 110, 290, 190)), (2, Box(310, 110, 490, 190))]
        return [[Detection(category, 0.9, box) for category, box in boxes] for _ in images]


@pytest.fixture(scope="module")
def pdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    draw_corpus(folder, documents=1, seed=4, pages=PAGES)
    return next((folder / "pdfs").iterdir())


@pytest.fixture(scope="module")
def content(pdf: Path) -> bytes:
    return pdf.read_bytes()


@pytest.fixture(scope="module")
def pool() -> Iterator[DocumentPool]:
    with DocumentPool(1, initialize=limit_process, preload=render_ahead.__name__) as pool:
        yield pool


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def serving(pool: DocumentPool, network: Network, tmp_path: Path) -> Serving:
    model = VerifiedModel(
        uri="s3://b/model.pth", weights=tmp_path, config=tmp_path, sha256="0", config_sha256="1", classes=(), demo=False
    )

    @asynccontextmanager
    async def serve(
        limits: Limits = LIMITS, *, body_bytes: int = 1 << 20, body_seconds: float = 30
    ) -> AsyncIterator[Client]:
        predictor = Predictor(pool, network.load, score=0.3)
        with closing(Documents(model, predictor, RenderOptions(60), limits, score=0.3)) as documents:
            bounds = Bounds(body_bytes=body_bytes, body_seconds=body_seconds, scratch=tmp_path)
            application = Application(documents, bounds).build()
            async with TestClient(TestServer(application), timeout=aiohttp.ClientTimeout(60)) as client:
                yield client
        assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))  # nothing is left of what was sent

    return serve


def encrypted(content: bytes, password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(password, algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


async def counted(client: Client) -> dict[str, float]:
    """The samples of the server's own metrics."""
    lines = (await (await client.get("/metrics")).text()).splitlines()
    samples = (line.rpartition(" ") for line in lines if line.startswith("training_serve"))
    return {name: float(value) for name, _, value in samples}


async def hold(client: Client, documents: int) -> None:
    """Waits until so many documents are in work or wait."""
    async with asyncio.timeout(60):
        while (await counted(client))["training_serve_documents"] != documents:  # noqa: ASYNC110  behind HTTP
            await asyncio.sleep(0.01)


@pytest.fixture
def written(pdf: Path, straight: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What training.infer writes of the PDF."""
    out = tmp_path_factory.mktemp("out")
    options = [str(pdf), str(out), "--model", str(straight.model), "--dpi", "60"]
    assert infer.main(options, load_detector=Network().load) == 0
    return read_json(out, pdf.stem)


async def test_the_tables_come_as_the_json_that_infer_writes(
    serving: Serving, content: bytes, written: dict[str, Any]
) -> None:
    async with serving() as client:
        answer = await client.post("/v1/tables", params={"name": written["doc_name"]}, data=content)
        assert (answer.status, answer.content_type) == (200, "application/json")
        served = await answer.json()
        samples = await counted(client)
    assert served["doc_name"] == written["doc_name"]
    assert served["pages"] == written["pages"]
    assert [len(page["blocks"]) for page in served["pages"]] == [1] * PAGES
    assert served["prediction"]["model"] == "s3://b/model.pth"
    assert samples["training_serve_pages_total"] == PAGES
    assert samples['training_serve_requests_total{status="200"}'] == 1
    assert samples["training_serve_documents"] == 0


async def test_people_get_the_pages_with_what_was_found_on_them(serving: Serving, content: bytes) -> None:
    async with serving() as client:
        answer = await client.post(
            "/v1/tables", params={"name": "<b>.pdf"}, data=content, headers={"Accept": "text/html"}
        )
        page = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html")
    assert f"{PAGES} tables on {PAGES} pages" in page
    assert page.count("data:image/jpeg;base64,") == PAGES
    assert page.count("<table>") == PAGES
    assert "&lt;b&gt;.pdf" in page
    assert "<b>" not in page


class Refusal(NamedTuple):
    """A body and limits, and what is answered."""

    body: bytes | str
    limits: dict[str, float]
    status: int
    reason: str


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(b"", {}, 400, "empty"),
        Refusal(b"no PDF at all", {}, 422, "corrupt"),
        Refusal("pdf", {"pages": PAGES - 1}, 422, "too_large"),
        Refusal("pdf", {"seconds": 0.0}, 504, "late"),
        Refusal("encrypted", {}, 422, "encrypted"),
        Refusal(b"%PDF-1.7" + b" " * (1 << 20), {}, 413, "too_large"),
    ],
    ids=lambda refusal: refusal.reason,
)
async def test_what_gets_no_tables_is_told_why(serving: Serving, content: bytes, refusal: Refusal) -> None:
    contents = {"pdf": content, "encrypted": encrypted(content, "secret")}
    body = refusal.body if isinstance(refusal.body, bytes) else contents[refusal.body]
    async with serving(replace(LIMITS, **refusal.limits)) as client:
        answer = await client.post("/v1/tables", data=io.BytesIO(body))
        assert answer.status == refusal.status, await answer.text()
        told = await answer.json()
        assert (await counted(client))[f'training_serve_requests_total{{status="{refusal.status}"}}'] == 1
        assert (await client.get("/healthz")).status == 200
    assert told["reason"] == refusal.reason
    assert told["message"].endswith(".")


async def test_a_document_of_unknown_length_is_cut_off_at_the_limit(serving: Serving) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * (1 << 16)

    async with serving() as client:
        with suppress(aiohttp.ClientError):  # it may hear no more than that nobody reads on
            assert (await client.post("/v1/tables", data=endless())).status == 413
        assert (await counted(client))['training_serve_requests_total{status="413"}'] == 1


async def test_a_body_that_does_not_come_is_not_waited_for(serving: Serving) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"%PDF-1.7"
        await asyncio.sleep(30)

    async with serving(body_seconds=0.2) as client:
        answer = await client.post("/v1/tables", data=slow())
        assert (answer.status, (await answer.json())["reason"]) == (408, "slow")


async def test_an_encrypted_document_is_read_with_its_password(serving: Serving, content: bytes) -> None:
    async with serving() as client:
        headers = {"X-Pdf-Password": quote("päss wörd")}
        answer = await client.post("/v1/tables", data=encrypted(content, "päss wörd"), headers=headers)
        assert answer.status == 200, await answer.text()


async def test_more_documents_than_may_wait_are_sent_away(serving: Serving, content: bytes, network: Network) -> None:
    network.may_go.clear()
    async with serving() as client:
        first = [asyncio.create_task(client.post("/v1/tables", data=content)) for _ in range(2)]
        await hold(client, 2)
        busy = await client.post("/v1/tables", data=content)
        assert (busy.status, busy.headers["Retry-After"]) == (503, "5")
        network.may_go.set()
        assert [(await answer).status for answer in first] == [200, 200]


async def test_nobody_waits_for_the_pages_of_a_sender_who_is_gone(
    serving: Serving, content: bytes, network: Network
) -> None:
    network.may_go.clear()
    async with serving() as client:
        gone = asyncio.create_task(client.post("/v1/tables", data=content))
        assert await asyncio.to_thread(network.is_asked.wait, 30)
        gone.cancel()
        network.may_go.set()
        await hold(client, 0)
        assert (await client.post("/v1/tables", data=content)).status == 200


async def test_a_fault_of_the_machine_is_said_and_asks_for_a_new_start(
    serving: Serving, content: bytes, network: Network
) -> None:
    async with serving() as client:
        network.error = KeyError("nobody foresaw this")
        assert (await client.post("/v1/tables", data=content)).status == 500
        assert (await client.get("/healthz")).status == 200
        network.error = Transient("The GPU is lost.")
        answer = await client.post("/v1/tables", data=content)
        assert (answer.status, (await answer.json())["reason"]) == (500, "unexpected")
        health = await client.get("/healthz")
        assert (health.status, await health.text()) == (503, "The GPU is lost.\n")


def choose(page: Page, content: bytes, name: str) -> None:
    """Chooses a PDF as if by hand, and lets its tables be found."""
    encoded = base64.b64encode(content).decode()
    page.evaluate(
        f"""(() => {{
            const bytes = Uint8Array.from(atob("{encoded}"), letter => letter.charCodeAt(0));
            const chosen = new DataTransfer();
            chosen.items.add(new File([bytes], "{name}", {{type: "application/pdf"}}));
            document.getElementById("file").files = chosen.files;
            document.getElementById("form").requestSubmit();
        }})()"""
    )


def wait_for(page: Page, condition: str) -> None:
    page.evaluate(
        f"""new Promise((done, fail) => {{
            const end = Date.now() + 50000;
            const look = () => {{
                if ({condition}) return done();
                return Date.now() > end ? fail(new Error("too late")) : setTimeout(look, 50);
            }};
            look();
        }})"""
    )


def try_in_a_browser(url: str, content: bytes, pictures: Path) -> None:
    with running_browser() as browser:
        page = browser.open(url)
        check_outline(page)
        choose(page, b"no PDF", "letter.pdf")
        wait_for(page, "document.getElementById('state').className === 'bad'")
        assert "letter.pdf" not in page.text()
        assert page.evaluate("document.getElementById('result').hidden")
        choose(page, content, "report.pdf")
        wait_for(page, "!document.getElementById('result').hidden")
        for width in (DESKTOP, PHONE):
            for dark in (False, True):
                picture = pictures / f"try-it-{width}-{'dark' if dark else 'light'}.png"
                grey = picture_that_fits(page, picture, width=width, dark=dark)
                # The frame holds the picture of a page, which is white.
                assert grey.crop((20, 400, width - 20, 890)).getextrema()[1] == 255
        assert forbidden(page) == []


async def test_people_try_a_pdf_in_the_browser(
    serving: Serving, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pictures = tmp_path_factory.mktemp("pictures")
    async with serving() as client:
        await asyncio.to_thread(try_in_a_browser, str(client.make_url("/")), content, pictures)
