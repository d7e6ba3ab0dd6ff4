"""The command as people run it, on drawn documents, on real ones, and from S3 to S3."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from hack.documents.corpus import draw_corpus
from hack.s3.server import S3Server, worker_environment
from tests.support.paths import REAL_DOCUMENTS
from tests.support.preprocess.command import run_preprocess, tree, upload
from training.dataset.verify import download_dataset, verify_dataset
from training.errors import DataError, NotFound
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

AWKWARD_NAMES = ["zürich 東京", 'it\'s "quoted"', "semi; touch injected", "-leading dash", "100% #1 + more"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight documents, five of them with awkward names."""
    folder = tmp_path_factory.mktemp("corpus")
    draw_corpus(folder, documents=8, seed=3, pages=2)
    for index, name in enumerate(AWKWARD_NAMES, 1):
        (folder / "pdfs" / f"document-{index:04d}.pdf").rename(folder / "pdfs" / f"{name}.pdf")
        (folder / "json" / f"document-{index:04d}.json").rename(folder / "json" / f"{name}.json")
    return folder


@pytest.fixture
def own_corpus(corpus: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(corpus, tmp_path / "own-corpus"))


def test_a_folder_becomes_a_dataset_that_verifies_and_names_what_is_in_it(corpus: Path, tmp_path: Path) -> None:
    code, output, message = run_preprocess(
        "--source", corpus, "--working_dir", "out", "--verbose=True", folder=tmp_path
    )
    assert code == 0, output
    assert not (tmp_path / "injected").exists()
    manifest = verify_dataset(open_storage(tmp_path / "out" / "ttv")).manifest
    assert len(manifest.documents) == 8
    assert {split: summary.documents > 0 for split, summary in manifest.splits.items()} == {
        "train": True,
        "val": True,
        "test": True,
    }
    assert message["result"] == "succeeded"
    assert message["dataset"]["digest"] == manifest.digest
    assert message["dataset"]["cacheHit"] is False
    assert message["dataset"]["documents"] == {"total": 8, "prepared": 8, "quarantined": 0}
    assert sum(message["dataset"]["images"].values()) == 16
    drawn = open_storage(tmp_path / "out")
    assert drawn.stat(f"pdfs/{AWKWARD_NAMES[0]}/draw_ann/0.jpg") is not None


def test_a_second_run_finds_the_dataset_and_a_changed_file_makes_it_again(own_corpus: Path, tmp_path: Path) -> None:
    options = ("--source", own_corpus, "--working_dir", tmp_path / "out")
    first = run_preprocess(*options)[2]["dataset"]
    second = run_preprocess(*options)[2]["dataset"]
    assert second == {**first, "cacheHit": True}

    path = next((own_corpus / "json").glob("document-*.json"))
    content = json.loads(path.read_text())
    for page in content["pages"]:
        page["blocks"] = []
    path.write_text(json.dumps(content))
    third = run_preprocess(*options)[2]["dataset"]
    assert third["cacheHit"] is False
    assert third["digest"] != first["digest"]
    verify_dataset(open_storage(tmp_path / "out" / "ttv"))


def test_a_document_under_two_names_is_named_where_it_is_in_two_splits(own_corpus: Path, tmp_path: Path) -> None:
    name = sorted(path.stem for path in (own_corpus / "pdfs").iterdir())[0]
    copies = [f"copy-{number}" for number in range(20)]
    for copy in copies:
        shutil.copy(own_corpus / "pdfs" / f"{name}.pdf", own_corpus / "pdfs" / f"{copy}.pdf")
        shutil.copy(own_corpus / "json" / f"{name}.json", own_corpus / "json" / f"{copy}.json")
    _, output, _ = run_preprocess("--source", own_corpus, "--working_dir", tmp_path / "out")
    manifest = json.loads((tmp_path / "out/ttv/manifest.json").read_text())
    of_pdf = next(d["pdfSha256"] for d in manifest["documents"] if d["name"] == name)
    leak = next(leak for leak in manifest["leaks"] if leak["sha256"] == of_pdf)
    assert leak["documents"] == sorted([name, *copies])
    assert leak["splits"] == sorted({d["split"] for d in manifest["documents"] if d["name"] in leak["documents"]})
    assert f"{name}" in next(line for line in output.splitlines() if line.startswith("leak"))


def test_a_damaged_dataset_is_no_cache_hit(corpus: Path, tmp_path: Path) -> None:
    options = ("--source", corpus, "--working_dir", tmp_path / "out")
    run_preprocess(*options)
    damaged = next((tmp_path / "out/ttv/train/images").iterdir())
    damaged.write_bytes(b"damaged")
    with pytest.raises(DataError, match="does not fit its manifest"):
        verify_dataset(open_storage(tmp_path / "out/ttv"))
    assert run_preprocess(*options)[2]["dataset"]["cacheHit"] is False
    verify_dataset(open_storage(tmp_path / "out/ttv"))


def test_files_of_an_earlier_run_do_not_stay(own_corpus: Path, tmp_path: Path) -> None:
    options = ("--source", own_corpus, "--working_dir", tmp_path / "out")
    run_preprocess(*options)
    (tmp_path / "out/ttv/notes.txt").write_text("mine")
    for folder, extension in (("pdfs", "pdf"), ("json", "json")):
        (own_corpus / folder / f"document-0008.{extension}").unlink()
    code, output, _ = run_preprocess(*options)
    assert code == 0, output
    left = [found.key for found in open_storage(tmp_path / "out").list_objects()]
    assert not [key for key in left if "document-0008" in key]
    assert "ttv/notes.txt" in left


def test_one_bad_document_is_quarantined_with_its_reason_and_too_many_fail_the_run(
    own_corpus: Path, tmp_path: Path
) -> None:
    pdfs = own_corpus / "pdfs"
    writer = PdfWriter(clone_from=PdfReader(pdfs / "document-0008.pdf"))
    writer.encrypt("secret")
    writer.write(pdfs / "document-0008.pdf")
    (pdfs / "document-0007.pdf").write_bytes((pdfs / "document-0007.pdf").read_bytes()[:300])
    (own_corpus / "json" / "document-0006.json").write_text('{"pages": [{"page_num": 0, "bbox": {"left": "x"}}]}')
    options = ("--source", own_corpus, "--working_dir", tmp_path / "out")

    code, output, message = run_preprocess(*options)
    assert code == 65
    assert (message["result"], message["exitCode"], message["reason"]) == ("failed", 65, "DataError")
    assert "3 of 8 documents" in message["message"]
    assert "1 corrupt, 1 encrypted, 1 schema" in message["message"]
    assert "Traceback" not in output
    with pytest.raises(NotFound, match="no finished dataset"):
        verify_dataset(open_storage(tmp_path / "out/ttv"))

    code, output, message = run_preprocess(*options, "--max_failed_documents", "3")
    assert code == 0, output
    assert message["dataset"]["documents"] == {"total": 8, "prepared": 5, "quarantined": 3}
    manifest = verify_dataset(open_storage(tmp_path / "out/ttv")).manifest
    assert {entry.name: entry.reason for entry in manifest.quarantined} == {
        "document-0006": "schema",
        "document-0007": "corrupt",
        "document-0008": "encrypted",
    }
    assert "pages.0.bbox.left" in manifest.quarantined[0].message

    assert run_preprocess(*options, "--max_failed_documents=50%")[2]["dataset"]["cacheHit"] is True
    assert run_preprocess(*options, "--max_failed_documents=2")[0] == 65


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 64, "Give --source and --working_dir"),
        (["--source", "x"], 64, "Give --source and --working_dir"),
        (["--s3_bucket", "b", "--s3_source_folder", "s"], 64, "--s3_target_folder"),
        (["--source", "x", "--working_dir", "y", "--s3_bucket", "b"], 64, "--source is local"),
        (["--source", "x", "--working_dir", "y", "--split", "80,20"], 64, "--split"),
        (["--source", "x", "--working_dir", "y", "--dpi", "0"], 64, "--dpi"),
        (["--source", "x", "--working_dir", "y", "--nonsense"], 64, "--nonsense"),
        (["--source", "no-such-folder", "--working_dir", "y"], 66, "no-such-folder"),
        (["--source", ".", "--working_dir", "y"], 65, "No document to prepare"),
    ],
)
def test_a_wrong_command_line_fails_with_its_code_and_says_why(
    tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    found, output, message = run_preprocess(*options, folder=tmp_path)
    assert found == code
    assert words in message["message"]
    assert "Traceback" not in output


def test_two_documents_are_too_few_and_the_message_says_how_many_work(own_corpus: Path, tmp_path: Path) -> None:
    for path in sorted((own_corpus / "pdfs").iterdir())[2:]:
        path.unlink()
    older = tmp_path / "out/ttv/manifest.json"
    older.parent.mkdir(parents=True)
    older.write_text("of an older dataset")
    code, _, message = run_preprocess("--source", own_corpus, "--working_dir", tmp_path / "out")
    assert code == 65
    assert older.exists(), "nothing of the older dataset was touched yet"
    assert "the smallest corpus that works has 3 documents" in message["message"]


def test_sigterm_ends_the_run_with_143_and_leaves_no_process(tmp_path: Path) -> None:
    draw_corpus(tmp_path / "corpus", documents=6, seed=1, pages=60)
    command = [sys.executable, "-m", "training.preprocess", "--source", tmp_path / "corpus"]
    process = subprocess.Popen([*command, "--working_dir", tmp_path / "out"], stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 143, errors
    time.sleep(0.5)
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if str(tmp_path).encode() in line]


def test_s3_to_s3_gives_the_same_bytes_as_folders_and_is_found_again(
    corpus: Path, s3_environment: S3Server, tmp_path: Path
) -> None:
    bucket = s3_environment.new_bucket()
    upload(corpus, open_storage(f"s3://{bucket}/annotated docs"))
    options = ("--s3_bucket", bucket, "--s3_source_folder", "annotated docs/", "--s3_target_folder", "prepared")
    encrypted = {**s3_environment.environment, "AWS_S3_SSE_TYPE": "AES256"}
    code, output, message = run_preprocess(*options, environment=encrypted)
    assert code == 0, output
    assert message["dataset"]["manifest"] == f"s3://{bucket}/prepared/ttv/manifest.json"
    answer = s3_environment.client().head_object(Bucket=bucket, Key="prepared/ttv/manifest.json")
    assert answer["ServerSideEncryption"] == "AES256"

    assert run_preprocess("--source", corpus, "--working_dir", tmp_path / "out")[0] == 0
    assert tree(open_storage(f"s3://{bucket}/prepared")) == tree(open_storage(tmp_path / "out"))

    again = run_preprocess(*options, environment=encrypted)[2]
    assert again["dataset"] == {**message["dataset"], "cacheHit": True}

    dataset = download_dataset(f"s3://{bucket}/prepared/ttv", tmp_path / "local")
    assert verify_dataset(open_storage(tmp_path / "local")) == dataset
    changed = tmp_path / "local" / dataset.manifest.files[0].path
    changed.write_bytes(b"changed")
    download_dataset(f"s3://{bucket}/prepared/ttv", tmp_path / "local")
    verify_dataset(open_storage(tmp_path / "local"))


@pytest.mark.parametrize(
    ("changes", "bucket", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, None, 77),
        ({}, "no-such-bucket", 66),
        ({"AWS_S3_ENDPOINT": "http://127.0.0.1:9"}, None, 75),
        ({"AWS_S3_ENDPOINT": "not a url"}, None, 64),
    ],
)
def test_a_failing_s3_gives_its_exit_code(
    s3_server: S3Server, changes: dict[str, str], bucket: str | None, code: int
) -> None:
    environment = {**worker_environment(s3_server.endpoint), **changes}
    name = bucket or s3_server.new_bucket()
    options = ("--s3_bucket", name, "--s3_source_folder", "a", "--s3_target_folder", "b")
    found, output, message = run_preprocess(*options, environment=environment)
    assert found == code, output
    assert message["exitCode"] == code
    assert "Traceback" not in output


@pytest.mark.skipif(not REAL_DOCUMENTS.is_dir(), reason=f"REAL DOCUMENTS ABSENT: {REAL_DOCUMENTS}")
def test_all_real_documents_are_prepared_without_losing_a_table(tmp_path: Path) -> None:
    code, output, message = run_preprocess("--source", REAL_DOCUMENTS, "--working_dir", tmp_path / "out")
    assert code == 0, output
    assert message["dataset"]["documents"] == {"total": 27, "prepared": 27, "quarantined": 0}
    assert message["dataset"]["annotations"] == {"table": 76, "Cell": 3743, "header": 76}
    assert sum(message["dataset"]["images"].values()) == 111
