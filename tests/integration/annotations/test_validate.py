"""`validate` over documents without and with faults."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from hack.documents.corpus import draw_corpus
from hack.documents.faults import PASSWORD, draw_faults
from hack.s3.server import S3Server
from tests.support.annotations.command import run_annotations
from tests.support.preprocess.command import upload
from training.storage.uri import open_storage

pytestmark = pytest.mark.integration

GOOD = 4


def test_documents_without_faults_are_counted(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3, pages=2)
    code, output, errors = run_annotations("validate", tmp_path)
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"{GOOD} documents ({GOOD} in the badgerdoc format): {2 * GOOD} pages, ")
    assert lines[1:] == ["no faults"]


def test_each_fault_that_needs_no_drawing_has_the_reason_of_preprocess(tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3)
    expected = {name: reason for name, reason in draw_faults(tmp_path).items() if reason != "timeout"}
    (tmp_path / "json" / "notes.txt").touch()
    code, output, errors = run_annotations("validate", tmp_path, "--json")
    assert code == 65
    assert f"{len(expected)} of {GOOD + len(expected) + 1} documents have faults" in errors
    found = json.loads(output)
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in found["faults"]:
        reasons[fault["document"]].append(fault["reason"])
    assert {name: reasons[name][0] for name in reasons} == expected
    assert (found["documents"], found["ignored"]) == (GOOD + len(expected) + 1, ["json/notes.txt"])


def test_a_password_opens_a_document(tmp_path: Path) -> None:
    draw_faults(tmp_path)
    passwords = tmp_path / "passwords.yaml"
    passwords.write_text(json.dumps({"encrypted": PASSWORD}))
    _, output, _ = run_annotations("validate", tmp_path, "--passwords", passwords)
    assert "corrupt-empty: corrupt: " in output
    assert "encrypted: " not in output
    assert PASSWORD not in output


def test_documents_in_s3_are_checked_too(s3_environment: S3Server, tmp_path: Path) -> None:
    draw_corpus(tmp_path, documents=GOOD, seed=3, pages=1)
    (tmp_path / "json" / "document-0002.json").unlink()
    bucket = s3_environment.new_bucket()
    upload(tmp_path, open_storage(f"s3://{bucket}/source"))
    code, output, _ = run_annotations("validate", f"s3://{bucket}/source", environment=s3_environment.environment)
    assert code == 65
    assert "document-0002: no_json: pdfs/document-0002.pdf has no json/document-0002.json" in output


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["absent"], 66, "does not exist"),
        ([], 64, "SOURCE"),
        ([".", "--coordinates", "miles"], 64, "--coordinates is 'miles'"),
        ([".", "--dpi", "9"], 64, "--dpi is 9"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], code: int, says: str) -> None:
    found, _, errors = run_annotations("validate", *arguments)
    assert found == code
    assert says in errors
