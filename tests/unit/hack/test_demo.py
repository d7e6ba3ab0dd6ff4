"""The demo's choices: whose documents, which names, which bucket."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from hack.demo.demo import documents_folder, trainingrun


@pytest.fixture(autouse=True)
def _s3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_ENDPOINT", "http://s3.example")
    for name in ("AWS_REGION", "CLUSTER", "DEMO_BUCKET"):
        monkeypatch.delenv(name, raising=False)


def test_a_folder_without_documents_or_without_annotations_is_refused(tmp_path: Path) -> None:
    for kind, file in (("pdfs", "a.pdf"), ("json", "a.json")):
        with pytest.raises(ArgumentTypeError, match=f"has no {kind}/"):
            documents_folder(str(tmp_path))
        (tmp_path / kind).mkdir()
        (tmp_path / kind / file).touch()
    assert documents_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("folder", "name"),
    [("My Tables (2026)", "my-tables-2026"), ("__", "documents"), (f"{'a' * 39} b", "a" * 39)],
)
def test_a_run_is_named_after_the_users_folder(folder: str, name: str) -> None:
    run = trainingrun(Path("/documents") / folder)
    assert run["metadata"]["name"] == name
    assert run["spec"]["dataset"]["sourceFolder"] == f"sources/{name}"
    assert run["spec"]["training"]["modelOutput"] == f"s3://tables/models/{name}/tables.pth"


def test_another_bucket_holds_the_documents_and_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_BUCKET", "mine")
    spec = trainingrun(None)["spec"]
    assert spec["storage"]["bucket"] == "mine"
    assert spec["storage"]["endpoint"] == "http://s3.example"
    assert spec["training"]["modelOutput"] == "s3://mine/models/demo/tables.pth"


@pytest.mark.parametrize(("cluster", "device"), [(None, "cpu"), ("local", "cpu"), ("current", None)])
def test_only_the_local_clusters_stand_in_gpus_are_not_trained_on(
    cluster: str | None, device: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cluster:
        monkeypatch.setenv("CLUSTER", cluster)
    assert trainingrun(None)["spec"]["training"].get("device") == device
