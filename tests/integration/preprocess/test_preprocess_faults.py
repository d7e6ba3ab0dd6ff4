"""A corpus with one document of each fault, and with every awkward name."""

import json
import subprocess
from pathlib import Path

import pytest

from hack.documents.corpus import draw_corpus
from hack.documents.faults import draw_faults
from hack.s3.server import S3Server
from tests.support.preprocess.command import run_preprocess, tree
from training.dataset.verify import verify_dataset
from training.documents.names import file_stem
from training.documents.quarantine import Reason
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

GOOD = 8
NAMES = [
    "with spaces  and more",
    "double \" and single ' quotes",
    "semicolon; touch injected",
    "$(touch injected) `touch injected` $HOME",
    "züricher größe 東京 العربية 🙂",
    "-r 300",
    ".hidden",
    "100% #1 ?a=b&c=d + %41",
    "star * [a-z]",
    "l" + "o" * 198 + "ng",
    "東" * 80,
    "Case",
    "case",
]
BACKSLASH = "back\\slash"  # SeaweedFS takes it for a slash
LONG = "長" * 83  # 249 bytes: with what is added to it no file system would take it


def test_exactly_the_faulty_documents_are_quarantined_and_nothing_of_them_is_in_the_dataset(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    draw_corpus(corpus, documents=GOOD, seed=8)
    expected = draw_faults(corpus)
    assert set(expected.values()) == set(Reason) - {Reason.UNEXPECTED, Reason.AMBIGUOUS_NAME}
    options = ("--source", corpus, "--working_dir", tmp_path / "out", "--page_timeout", "2")

    code, output, message = run_preprocess(*options, "--max_failed_documents", str(len(expected)))
    assert code == 0, output
    manifest = verify_dataset(open_storage(tmp_path / "out/ttv")).manifest
    assert {entry.name: entry.reason for entry in manifest.quarantined} == expected
    assert [entry.name for entry in manifest.documents] == [f"document-{n:04}" for n in range(1, GOOD + 1)]
    assert message["dataset"]["documents"]["quarantined"] == len(expected)
    written = (
        "".join(tree(open_storage(tmp_path / "out"), "ttv/")) + (tmp_path / "out/ttv/train/train.json").read_text()
    )
    assert not [name for name in expected if f"{name}_" in written]
    drawn = {path.parent.parent.name for path in (tmp_path / "out/pdfs").glob("*/draw_ann/*")}
    assert drawn == {f"document-{n:04}" for n in range(1, GOOD + 1)}
    left = subprocess.run(["pgrep", "-f", str(corpus)], capture_output=True, text=True, check=False).stdout
    assert left == "", "no renderer goes on"

    code, _, message = run_preprocess(*options, "--max_failed_documents", str(len(expected) - 1))
    assert code == 65
    assert f"{len(expected)} of {GOOD + len(expected)} documents cannot be used" in message["message"]


def test_every_name_comes_through_from_s3_to_s3(s3_environment: S3Server, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    draw_corpus(corpus, documents=len(NAMES) + 1, seed=9, pages=1)
    bucket = s3_environment.new_bucket()
    source = open_storage(f"s3://{bucket}/source")
    for index, name in enumerate([*NAMES, LONG], 1):
        for kind in ("pdf", "json"):
            folder = "pdfs" if kind == "pdf" else "json"
            source.upload_file(corpus / folder / f"document-{index:04}.{kind}", f"{folder}/{name}.{kind}")
    options = ("--s3_bucket", bucket, "--s3_source_folder", "source", "--s3_target_folder", "out")
    code, output, message = run_preprocess(*options, environment=s3_environment.environment, folder=tmp_path)
    assert code == 0, output
    assert message["dataset"]["documents"] == {"total": len(NAMES) + 1, "prepared": len(NAMES) + 1, "quarantined": 0}
    target = open_storage(f"s3://{bucket}/out")
    manifest = json.loads(target.read_bytes("ttv/manifest.json"))
    assert {entry["name"] for entry in manifest["documents"]} == {*NAMES, LONG}
    keys = {found.key for found in target.list_objects()}
    for entry in manifest["documents"]:
        stem = file_stem(entry["name"])
        assert f"ttv/{entry['split']}/images/{stem}_0.jpg" in keys
        assert f"pdfs/{stem}/draw_ann/0.jpg" in keys
    assert not list(tmp_path.rglob("injected"))
    again = run_preprocess(*options, environment=s3_environment.environment)[2]
    assert again["dataset"]["cacheHit"] is True


def test_a_folder_takes_the_same_names(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    draw_corpus(corpus, documents=len(NAMES) + 1, seed=9, pages=1)
    for index, name in enumerate([*NAMES, BACKSLASH], 1):
        for folder, kind in (("pdfs", "pdf"), ("json", "json")):
            (corpus / folder / f"document-{index:04}.{kind}").rename(corpus / folder / f"{name}.{kind}")
    code, output, message = run_preprocess("--source", corpus, "--working_dir", tmp_path / "out", folder=tmp_path)
    assert code == 0, output
    assert message["dataset"]["documents"]["prepared"] == len(NAMES) + 1
    assert not list(tmp_path.rglob("injected"))
