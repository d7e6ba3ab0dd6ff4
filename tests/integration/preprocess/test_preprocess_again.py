"""What a second run does: it continues, makes anew what changed and nothing else, and keeps what people edited."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from hack.documents.corpus import draw_corpus
from hack.documents.faults import PASSWORD
from hack.s3.server import S3Server
from tests.support.preprocess.command import run_preprocess, tree, upload
from training.dataset.verify import verify_dataset
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_corpus(folder, documents=12, seed=4, pages=2)
    return folder


@pytest.fixture
def corpus(drawn: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(drawn, tmp_path / "corpus"))


def pages_drawn(output: str) -> int:
    """As the command's last lines say it."""
    line = next(line for line in output.splitlines() if "documents prepared;" in line)
    return 0 if "nothing to do" in line else int(line.partition("; ")[2].split()[0])


def remove_tables(path: Path) -> None:
    content = json.loads(path.read_text())
    for page in content["pages"]:
        page["blocks"] = []
    path.write_text(json.dumps(content))


def test_one_changed_document_is_drawn_and_no_other(corpus: Path, tmp_path: Path) -> None:
    options = ("--source", corpus, "--working_dir", tmp_path / "out")
    assert pages_drawn(run_preprocess(*options)[1]) == 24
    remove_tables(corpus / "json" / "document-0005.json")
    assert pages_drawn(run_preprocess(*options)[1]) == 2
    verify_dataset(open_storage(tmp_path / "out/ttv"))
    run_preprocess("--source", corpus, "--working_dir", tmp_path / "fresh")
    assert tree(open_storage(tmp_path / "out"), "") == tree(open_storage(tmp_path / "fresh"), "")


@pytest.mark.parametrize(
    ("change", "drawn_again"),
    [
        (["--seed", "7"], 0),
        (["--split", "50,25,25"], 0),
        (["--dpi", "60"], 24),
        (["--image_format", "png"], 24),
    ],
)
def test_another_parameter_draws_again_only_what_it_concerns(
    corpus: Path, tmp_path: Path, change: list[str], drawn_again: int
) -> None:
    run_preprocess("--source", corpus, "--working_dir", tmp_path / "out")
    code, output, _ = run_preprocess("--source", corpus, "--working_dir", tmp_path / "out", *change)
    assert code == 0, output
    assert pages_drawn(output) == drawn_again
    run_preprocess("--source", corpus, "--working_dir", tmp_path / "fresh", *change)
    assert tree(open_storage(tmp_path / "out"), "") == tree(open_storage(tmp_path / "fresh"), "")


def test_a_run_that_is_killed_at_any_time_is_continued_and_gives_the_same_bytes(
    corpus: Path, s3_environment: S3Server, tmp_path: Path
) -> None:
    bucket = s3_environment.new_bucket()
    upload(corpus, open_storage(f"s3://{bucket}/source"))
    options = ["--s3_bucket", bucket, "--s3_source_folder", "source", "--s3_target_folder", "out"]
    command = [sys.executable, "-m", "training.preprocess", *options, "--working_dir", str(tmp_path / "scratch")]
    generator = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(command, env={**os.environ, **s3_environment.environment})
        time.sleep(generator.uniform(0.5, 1.6))
        process.kill()
        process.wait()
    code, output, _ = run_preprocess(*options, environment=s3_environment.environment)
    assert code == 0, output
    assert run_preprocess("--source", corpus, "--working_dir", tmp_path / "out")[0] == 0
    assert tree(open_storage(f"s3://{bucket}/out"), "") == tree(open_storage(tmp_path / "out"), "")


def test_what_people_edited_stays_until_the_input_changes_and_is_put_aside_then(corpus: Path, tmp_path: Path) -> None:
    options = ("--source", corpus, "--working_dir", tmp_path / "out")
    first = run_preprocess(*options)[2]["dataset"]
    path = tmp_path / "out/ttv/train/train.json"
    content = json.loads(path.read_text())
    del content["annotations"][0]
    edited = json.dumps(content)
    path.write_text(edited)

    _, output, message = run_preprocess(*options)
    assert message["dataset"]["cacheHit"] is True
    assert message["dataset"]["digest"] != first["digest"]
    assert "train.json was changed by somebody since" in output
    assert path.read_text() == edited

    remove_tables(corpus / "json" / "document-0005.json")
    _, output, _ = run_preprocess(*options)
    assert "is replaced, since the input changed" in output
    [kept] = (tmp_path / "out/edited").rglob("train.json")
    assert kept.read_text() == edited
    assert verify_dataset(open_storage(tmp_path / "out/ttv")).edited == ()


def test_a_missing_image_is_made_anew_and_so_is_a_missing_drawing(corpus: Path, tmp_path: Path) -> None:
    options = ("--source", corpus, "--working_dir", tmp_path / "out")
    run_preprocess(*options)
    before = tree(open_storage(tmp_path / "out"), "")
    image = next((tmp_path / "out/ttv/train/images").iterdir())
    drawing = next((tmp_path / "out/pdfs/document-0003/draw_ann").iterdir())
    for path in (image, drawing):
        path.unlink()
    assert run_preprocess(*options)[0] == 0
    assert tree(open_storage(tmp_path / "out"), "") == before


def test_a_password_opens_what_was_quarantined_and_is_shown_nowhere(corpus: Path, tmp_path: Path) -> None:
    path = corpus / "pdfs" / "document-0002.pdf"
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.encrypt(PASSWORD)
    writer.write(path)
    options = ("--source", corpus, "--working_dir", tmp_path / "out", "--verbose")
    _, _, message = run_preprocess(*options)
    assert message["dataset"]["documents"]["quarantined"] == 1

    passwords = tmp_path / "passwords.yaml"
    passwords.write_text('document-0002: "wrong"\n')
    _, output, _ = run_preprocess(*options, "--passwords", passwords)
    assert "The given password does not open the PDF" in output

    passwords.write_text(f'"*": {PASSWORD}\n')
    code, output, message = run_preprocess(*options, "--passwords", passwords)
    assert code == 0, output
    assert message["dataset"]["documents"] == {"total": 12, "prepared": 12, "quarantined": 0}
    written = b"".join(tree(open_storage(tmp_path / "out"), "").values())
    assert PASSWORD not in output
    assert PASSWORD.encode() not in written
