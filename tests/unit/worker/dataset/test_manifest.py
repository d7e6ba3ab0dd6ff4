"""The manifest: its bytes, its digest, and the comparison with what is there."""

import hashlib
import json
from pathlib import Path

import pytest

from training.dataset.manifest import FileEntry, InputDigest, Manifest, files_digest, inputs_digest
from training.errors import DataError
from training.process.container import available_cpus

A, B = "a" * 64, "b" * 64
FILES = (FileEntry(path="val/val.json", size_bytes=2, sha256=B), FileEntry(path="train/x.jpg", size_bytes=1, sha256=A))


def manifest() -> Manifest:
    return Manifest(
        digest=files_digest(FILES),
        input_digest="sha256:0",
        parameters={"dpi": 120},
        categories=(),
        splits={},
        documents=(),
        files=FILES,
    )


def test_the_digest_is_that_of_the_sorted_lines_of_the_contract() -> None:
    lines = f"{A}  train/x.jpg\n{B}  val/val.json\n"
    assert files_digest(FILES) == "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
    assert files_digest(reversed(FILES)) == files_digest(FILES)


def test_a_manifest_survives_its_json_whose_keys_are_those_of_the_contract() -> None:
    assert Manifest.from_json(manifest().to_json()) == manifest()
    content = json.loads(manifest().to_json())
    assert content["kind"] == "Dataset"
    assert content["files"][0] == {"path": "val/val.json", "sizeBytes": 2, "sha256": B}
    assert {"version", "digest", "inputDigest", "parameters", "splits", "documents", "quarantined"} <= content.keys()


@pytest.mark.parametrize(
    ("old", "new"), [('"version": 1', '"version": 2'), ("Dataset", "Model"), (A, B), ("x.jpg", "y.jpg"), ("{", "[")]
)
def test_another_or_an_edited_manifest_is_refused(old: str, new: str) -> None:
    with pytest.raises(DataError, match="run preprocess again"):
        Manifest.from_json(manifest().to_json().decode().replace(old, new).encode())


def test_the_input_digest_changes_with_any_file_and_any_name() -> None:
    digests = [
        inputs_digest({"a": InputDigest(A, B)}),
        inputs_digest({"a": InputDigest(B, A)}),
        inputs_digest({"b": InputDigest(A, B)}),
        inputs_digest({"a": InputDigest(A, B), "b": InputDigest(A, B)}),
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_a_quota_limits_the_cpus(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    unlimited = available_cpus(tmp_path)
    assert unlimited >= 1
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_cpus(tmp_path) == expected
    (tmp_path / "cpu.max").write_text("max 100000")
    assert available_cpus(tmp_path) == unlimited
