"""The demo: documents into S3, a TrainingRun applied, its progress shown until it ends. `make demo` calls it after
the cluster, the images and the operator are there.

    python -m hack.demo.demo [--check] [--source FOLDER] [--documents N]

S3 is reached by the AWS_… variables that `make s3-env` prints; kubectl by KUBECONFIG. DEMO_BUCKET names another bucket
than the example's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from hack.demo import result
from hack.documents import corpus
from hack.s3.bucket import ensure_bucket
from training.storage.uri import open_storage

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "trainingrun.yaml"
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
RUN_TIMEOUT_S = 3600


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """Runs kubectl and returns what it printed; its own error text is enough where it fails."""
    result = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        sys.exit(f"error: kubectl {' '.join(arguments)}: {result.stderr.strip()}")
    return result.stdout


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def is_local() -> bool:
    """Whether this is the local cluster, whose GPUs are stand-ins without hardware."""
    return os.environ.get("CLUSTER", "local") == "local"


def documents_folder(text: str) -> Path:
    """A folder of the user's own, if it holds what a run reads."""
    folder = Path(text)
    for kind, pattern in (("pdfs", "*.pdf"), ("json", "*.json")):
        if not any((folder / kind).glob(pattern)):
            raise argparse.ArgumentTypeError(
                f"{folder} has no {kind}/{pattern}: give the folder that holds pdfs/ and json/"
            )
    return folder


def trainingrun(source: Path | None) -> dict[str, Any]:
    """The example, with this S3 and device; for documents of the user's own, with a name and folders of their own."""
    run: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    storage, dataset, training = (run["spec"][part] for part in ("storage", "dataset", "training"))
    if source is not None:
        name = re.sub(r"[^a-z0-9]+", "-", source.name.lower())[:40].strip("-") or "documents"
        run["metadata"]["name"] = name
        dataset |= {"sourceFolder": f"sources/{name}", "targetFolder": f"datasets/{name}"}
        training["modelOutput"] = f"s3://{storage['bucket']}/models/{name}/tables.pth"
    bucket = os.environ.get("DEMO_BUCKET", storage["bucket"])
    training["modelOutput"] = training["modelOutput"].replace(f"s3://{storage['bucket']}/", f"s3://{bucket}/")
    storage |= {"bucket": bucket, "endpoint": os.environ["AWS_S3_ENDPOINT"]}
    storage["region"] = os.environ.get("AWS_REGION", storage["region"])
    if is_local():
        training["device"] = "cpu"
    return run


def generated(count: int) -> Path:
    """A folder with that many documents, drawn once for each version of the generator."""
    version = hashlib.sha256(Path(corpus.__file__).read_bytes()).hexdigest()[:8]
    folder = Path(os.environ["TRAININGRUN_STATE"]) / "demo" / f"documents-{count}-{version}"
    if not folder.is_dir():
        say(f"drawing {count} documents with tables, whose exact ground truth is known")
        part = folder.with_suffix(".part")
        corpus.draw_corpus(part, documents=count, seed=0)
        part.rename(folder)
    return folder


def upload(source: Path, bucket: str, folder: str) -> None:
    """Uploads pdfs/ and json/ of `source`, but for files that are there already with the same size.

    A changed file of equal size would be missed, so JSON, which people edit, is always uploaded.
    """
    storage = open_storage(f"s3://{bucket}/{folder}")
    ensure_bucket(bucket)
    present = {entry.key: entry.size_bytes for entry in storage.list_objects()}
    files = sorted(path for kind in ("pdfs", "json") for path in (source / kind).iterdir() if path.is_file())
    wanted = {path.relative_to(source).as_posix(): path for path in files}
    for stale in sorted(present.keys() - wanted.keys()):
        storage.delete(stale)
    for key, path in wanted.items():
        if key.endswith(".pdf") and present.get(key) == path.stat().st_size:
            continue
        storage.upload_file(path, key)
    say(f"{len(files)} files are in s3://{bucket}/{folder}")


def prepare_namespace(namespace: str, secret: str) -> None:
    """A namespace that enforces Pod Security `restricted`, with the S3 keys in a Secret."""
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret, "namespace": namespace},
            "stringData": {key: os.environ[key] for key in SECRET_KEYS},
        },
    ]
    # A list of its own kind, on standard input: the keys are in no argument and no file.
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def watch(namespace: str, name: str) -> str:
    """Shows `kubectl get -w` until the run ended; returns its phase."""
    watcher = subprocess.Popen(["kubectl", "--namespace", namespace, "get", "trainingrun", name, "--watch"])
    deadline = time.monotonic() + RUN_TIMEOUT_S
    try:
        while time.monotonic() < deadline:
            phase = kubectl("-n", namespace, "get", "trainingrun", name, "-o", "jsonpath={.status.phase}", check=False)
            if phase in ("Succeeded", "Failed"):
                time.sleep(1)  # lets the watch print the last line
                return phase
            time.sleep(2)
    finally:
        watcher.terminate()
        watcher.wait()
    return "still running"


def fetch_report(bucket: str, folder: str, name: str) -> Path:
    """The dataset's review page as a file to open."""
    path = Path(os.environ["TRAININGRUN_STATE"]) / "demo" / f"{name}.html"
    open_storage(f"s3://{bucket}/{folder}").download_file("report.html", path)
    return path


def show_result(namespace: str, name: str, source: Path | None, dataset_uri: str) -> Path:
    """Says how good the model is, and lets it find the tables of documents that it has not seen. Returns the folder
    with their drawn pages.
    """
    status = json.loads(kubectl("-n", namespace, "get", "trainingrun", name, "-o", "json"))["status"]
    model = status["model"]
    print(result.in_words({metric["name"]: float(metric["value"]) for metric in model.get("metrics", [])}))
    folder = Path(os.environ["TRAININGRUN_STATE"]) / "demo" / f"{name}-unseen"
    documents = result.unseen_documents(source, dataset_uri, folder)
    say(f"training.infer looks for the tables of {result.UNSEEN_DOCUMENTS} documents that the model has not seen")
    print(f"Unseen documents: {result.predict(documents, model['uri'], folder / 'predicted')}.")
    return folder / "predicted" / "draw"


def print_hints(namespace: str, name: str, bucket: str, report: Path, drawn: Path) -> None:
    """Where to look next; on the user's own cluster nothing needs to be set, and nothing is ours to stop."""
    print("Where to look next:")
    if is_local():
        print(f"""\
  export KUBECONFIG={os.environ["KUBECONFIG"]} PATH=$PATH:{Path(shutil.which("kubectl") or "").parent}
  eval "$(make s3-env)"                                  # any S3 client then reaches s3://{bucket}, past any proxy""")
    print(f"""\
  {report}    # open it in a browser: every page of the dataset with its labels
  {drawn}/*/*.jpg    # the unseen documents, with the tables that the model found
  kubectl -n {namespace} get trainingruns
  kubectl -n {namespace} describe trainingrun {name}          # conditions and the Events of each step
  kubectl -n {namespace} logs -l training.badgerdoc.dev/run={name} --tail=20
  kubectl -n {namespace} apply -f your-trainingrun.yaml       # start from examples/trainingrun.yaml""")
    if is_local():
        print("  make cluster-down                                      # stops it all; PURGE=1 also deletes it")
    else:
        print("  helm uninstall trainingrun-operator -n trainingrun-system    # takes the operator away")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the demo on the cluster that KUBECONFIG names.")
    parser.add_argument("--check", action="store_true", help="only check these arguments")
    parser.add_argument("--source", type=documents_folder, help="folder with pdfs/ and json/ (default: generated ones)")
    parser.add_argument("--documents", type=int, default=24, help="how many documents to generate (default 24)")
    options = parser.parse_args()
    if options.check:
        return

    run = trainingrun(options.source)
    namespace, name = run["metadata"]["namespace"], run["metadata"]["name"]
    storage, dataset = run["spec"]["storage"], run["spec"]["dataset"]
    upload(options.source or generated(options.documents), storage["bucket"], dataset["sourceFolder"])
    prepare_namespace(namespace, storage["credentialsSecret"])

    if is_local():
        say("this cluster's GPUs are stand-ins without hardware: the run says `device: cpu` and trains on the CPU")
    kubectl("-n", namespace, "delete", "trainingrun", name, "--ignore-not-found", "--wait=true", "--cascade=foreground")
    kubectl("apply", "-f", "-", stdin=json.dumps(run))
    say(f"applied TrainingRun {namespace}/{name}; this is `kubectl get trainingruns --watch`:")
    phase = watch(namespace, name)

    print()
    print(kubectl("-n", namespace, "get", "trainingruns"))
    if phase != "Succeeded":
        print(kubectl("-n", namespace, "get", "trainingrun", name, "-o", "jsonpath={.status.conditions}"))
        sys.exit(f"error: the run is {phase}; look closer with: kubectl -n {namespace} describe trainingrun {name}")
    report = fetch_report(storage["bucket"], dataset["targetFolder"], name)
    dataset_uri = f"s3://{storage['bucket']}/{dataset['targetFolder']}"
    drawn = show_result(namespace, name, options.source, dataset_uri)
    print_hints(namespace, name, storage["bucket"], report, drawn)


if __name__ == "__main__":
    main()
