"""The ways that are compared, each from an empty target: the bare renderer, preprocess, the naive script."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.bench import naive, raw
from hack.bench.corpora import FOLDERS, Corpus, without_a_cell
from hack.bench.figures import Run
from hack.bench.measure import cpu_seconds, measure, process_tree
from hack.s3.server import S3Server, running_s3_server

SOURCE = "source"
UPLOAD_THREADS = 8


class ResultError(Exception):
    """A way did not make what it should have: its time means nothing."""


@dataclass(frozen=True)
class Place:
    """Where the ways run: an S3 server of their own, a folder for temporary files, the code under test."""

    server: S3Server
    server_pid: int
    scratch: Path
    worker: Path
    dpi: int
    processes: int

    @property
    def environment(self) -> dict[str, str]:
        """Of preprocess."""
        return {**self.server.environment, "PYTHONPATH": str(self.worker)}

    def run(
        self, command: list[str], environment: Mapping[str, str] | None = None, *, watch_memory: bool = False
    ) -> Run:
        """Runs a command; `environment` is what it gets besides the usual."""
        before = sum(cpu_seconds(self.server_pid))
        usage = measure(command, {**os.environ, **(environment or {})}, watch_memory=watch_memory)
        return Run(usage, sum(cpu_seconds(self.server_pid)) - before)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty one, gone afterwards: a thousand pages are 300 MB."""
        path = self.scratch / "run"
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path)


def server_pid() -> int:
    """The process of the S3 server that this one has started."""
    programs = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in process_tree(os.getpid())}
    (found,) = (pid for pid, command in programs.items() if b"-s3.config=" in command)
    return found


@contextmanager
def open_place(scratch: Path, *, worker: Path, dpi: int, processes: int) -> Iterator[Place]:
    """Starts the S3 server, and ends it."""
    with running_s3_server() as server:
        yield Place(server, server_pid(), scratch, worker, dpi, processes)


class Bucket:
    """A new bucket with a corpus in it."""

    def __init__(self, place: Place, corpus: Corpus) -> None:
        self._client = place.server.client()
        self.name = place.server.new_bucket()
        files = [path for name in FOLDERS for path in (corpus.folder / name).iterdir()]
        with ThreadPoolExecutor(UPLOAD_THREADS) as threads:
            list(threads.map(self._put, files))

    def _put(self, path: Path) -> None:
        self._client.put_object(
            Bucket=self.name, Key=f"{SOURCE}/{path.parent.name}/{path.name}", Body=path.read_bytes()
        )

    def change_document(self, corpus: Corpus) -> None:
        """Corrects the annotations of the first document."""
        path = corpus.json_of(corpus.documents[0][0])
        changed: dict[str, Any] = without_a_cell(json.loads(path.read_text()))
        key = f"{SOURCE}/json/{path.name}"
        self._client.put_object(Bucket=self.name, Key=key, Body=json.dumps(changed).encode())

    def curl_upload(self, path: Path) -> str:
        """What curl reads to send a file to the folder of the images of the target "curl"."""
        place = {"Bucket": self.name, "Key": f"curl/ttv/{path.name}"}
        url = self._client.generate_presigned_url("put_object", Params=place, ExpiresIn=3600)
        return f'upload-file = "{path}"\nurl = "{url}"\noutput = /dev/null\n'

    def images(self, target: str) -> list[int]:
        """The sizes of the page images in the splits of a dataset."""
        return [entry["Size"] for entry in self._entries(f"{target}/ttv/") if entry["Key"].endswith((".jpg", ".png"))]

    def delete(self) -> None:
        """With all that is in it, or the disk would fill up."""
        keys = [entry["Key"] for entry in self._entries("")]
        for start in range(0, len(keys), 1000):
            objects = [{"Key": key} for key in keys[start : start + 1000]]
            self._client.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})
        self._client.delete_bucket(Bucket=self.name)

    def _entries(self, prefix: str) -> Iterator[Mapping[str, Any]]:
        for answer in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            yield from answer.get("Contents", [])


@contextmanager
def bucket_with(place: Place, corpus: Corpus) -> Iterator[Bucket]:
    bucket = Bucket(place, corpus)
    try:
        yield bucket
    finally:
        bucket.delete()


def raw_run(place: Place, corpus: Corpus) -> tuple[Run, int]:
    """The bare renderer, and how many bytes its images have."""
    with place.folder() as folder:
        calls = place.scratch / "calls"
        calls.write_text(raw.calls_text(raw.calls(corpus.documents), folder))
        run = place.run(raw.command(calls, dpi=place.dpi, processes=place.processes))
        sizes = [path.stat().st_size for path in folder.iterdir()]
    _check_count(len(sizes), corpus)
    return run, sum(sizes)


def upload_run(place: Place, corpus: Corpus, bucket: Bucket) -> Run:
    """The bare renderer, then each of its images sent to S3 once by curl, which signs nothing and reuses connections:
    less than any program from S3 to S3 can do.
    """
    with place.folder() as folder:
        wanted = raw.calls(corpus.documents)
        calls, uploads = place.scratch / "calls", place.scratch / "uploads"
        calls.write_text(raw.calls_text(wanted, folder))
        render = raw.command(calls, dpi=place.dpi, processes=place.processes)
        # Which names pdftoppm gives its images depends on the document's length: a run without uploads tells.
        place.run(render)
        uploads.write_text("next\n".join(bucket.curl_upload(path) for path in sorted(folder.iterdir())))
        curl = [
            "curl",
            "--silent",
            "--show-error",
            "--parallel",
            "--parallel-max",
            str(UPLOAD_THREADS),
            "-K",
            str(uploads),
        ]
        run = place.run(["sh", "-c", f"{shlex.join(render)} && {shlex.join(curl)}"])
    _check_count(len(bucket.images("curl")), corpus)
    return run


def preprocess_run(place: Place, corpus: Corpus, bucket: Bucket, *, watch_memory: bool = False) -> tuple[Run, int]:
    """`training.preprocess` from S3 to S3, and how many bytes its images have."""
    command = [*_preprocess(place), "--s3_bucket", bucket.name]
    command += ["--s3_source_folder", SOURCE, "--s3_target_folder", "target"]
    run = place.run(command, place.environment, watch_memory=watch_memory)
    sizes = bucket.images("target")
    _check_count(len(sizes), corpus)
    return run, sum(sizes)


def local_preprocess_run(place: Place, corpus: Corpus) -> Run:
    """`training.preprocess` from folder to folder: without S3 and its server on the same cores."""
    with place.folder() as folder:
        command = [*_preprocess(place), "--source", str(corpus.folder), "--working_dir", str(folder)]
        return place.run(command, place.environment)


def naive_run(place: Place, corpus: Corpus, bucket: Bucket, *, draw: str) -> Run:
    """The naive script, from S3 to S3."""
    with place.folder() as folder:
        command = [sys.executable, naive.__file__, bucket.name, SOURCE, f"naive-{draw}", str(folder)]
        command += ["--dpi", str(place.dpi), "--draw", draw]
        run = place.run(command, place.server.environment)
    _check_count(len(bucket.images(f"naive-{draw}")), corpus)
    return run


def warm_up(place: Place) -> None:
    """So that no run has to compile Python files or read them from the disk."""
    place.run([sys.executable, "-c", "import training.preprocess"], place.environment)


def _preprocess(place: Place) -> list[str]:
    return [sys.executable, "-m", "training.preprocess", "--dpi", str(place.dpi), "--workers", str(place.processes)]


def _check_count(found: int, corpus: Corpus) -> None:
    if found != corpus.pages:
        raise ResultError(f"{corpus.name}: {found:,} images were made")
