"""Every rule of the CRD, with a value it accepts and one it rejects, against the real API server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cluster.kube import Kube, KubeError, Object
from tests.support.operator.crd_rules import RULES, VALID, Rule, changed
from tests.support.operator.pod_template_rules import A_CLAIM, POD_TEMPLATE_RULES

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def rules_namespace(kube: Kube) -> Any:
    name = kube.create_namespace()
    yield name
    kube.delete(f"/api/v1/namespaces/{name}")


def create(kube: Kube, namespace: str, body: Object) -> Object:
    """A dry run: validated and defaulted as ever, but not stored."""
    path = f"/apis/training.badgerdoc.dev/v1alpha1/namespaces/{namespace}/trainingruns"
    return kube.create(f"{path}?dryRun=All&fieldValidation=Strict", body)


def test_the_base_of_all_rules_is_accepted_and_gets_its_defaults(kube: Kube, rules_namespace: str) -> None:
    spec = create(kube, rules_namespace, VALID)["spec"]
    assert spec["training"]["config"] == "config_3_cls_w18.py"
    assert spec["training"]["demo"] is False
    assert spec["training"]["resumeFrom"] == "auto"
    assert spec["training"]["gpusPerNode"] == 1
    assert (spec["training"]["device"], spec["training"]["amp"], spec["training"]["publish"]) == (
        "cuda",
        "none",
        "last",
    )
    assert spec["dataset"] == {
        "sourceFolder": "sources/demo",
        "targetFolder": "datasets/demo",
        "format": "auto",
        "coordinates": "auto",
        "frame": "auto",
        "dpi": 120,
        "imageFormat": "jpeg",
        "split": {"train": 80, "val": 10, "test": 10, "seed": 0},
        "parallelism": 1,
        "maxFailedDocuments": "10%",
    }
    assert spec["checkpoints"] == {"everyEpochs": 1, "everyMinutes": 15, "keepLast": 2, "keepBest": 1}
    assert spec["retry"] == {"limit": 3, "backoff": "10s"}
    assert spec["gpu"] == {"resourceName": "nvidia.com/gpu"}
    assert spec["deadlines"] == {"progress": "1h"}
    assert spec["review"] == {"required": False, "approved": False}
    assert spec["suspend"] is False


@pytest.mark.parametrize("rule", [*RULES, *POD_TEMPLATE_RULES], ids=str)
def test_a_rule_accepts_what_is_right(kube: Kube, rules_namespace: str, rule: Rule) -> None:
    create(kube, rules_namespace, changed(rule.path, rule.accepted))


@pytest.mark.parametrize("rule", [*RULES, *POD_TEMPLATE_RULES], ids=str)
def test_a_rule_rejects_what_is_wrong_and_says_why(kube: Kube, rules_namespace: str, rule: Rule) -> None:
    with pytest.raises(KubeError) as rejected:
        create(kube, rules_namespace, changed(rule.path, rule.rejected))
    assert rejected.value.status in (400, 422)
    assert rule.says in str(rejected.value)


def test_a_misspelt_field_is_rejected(kube: Kube, rules_namespace: str) -> None:
    with pytest.raises(KubeError, match="unknown field"):
        create(kube, rules_namespace, changed("training.epoch", 3))


@pytest.mark.parametrize(("length", "accepted"), [(63, True), (64, False)])
def test_a_name_may_have_63_characters(kube: Kube, rules_namespace: str, length: int, accepted: bool) -> None:
    body = {**VALID, "metadata": {"name": "r" * length}}
    if accepted:
        create(kube, rules_namespace, body)
    else:
        with pytest.raises(KubeError, match="at most 63 characters"):
            create(kube, rules_namespace, body)


IMMUTABLE: list[tuple[str, Any]] = [
    ("image", "other:1"),
    ("imagePullPolicy", "Always"),
    ("managedBy", "kueue.x-k8s.io/multikueue"),
    ("imagePullSecrets", [{"name": "other"}]),
    ("serviceAccountName", "other"),
    ("storage", {"bucket": "other"}),
    ("dataset", {"dpi": 200, "parallelism": 2}),
    ("preprocess", {"image": "other:1"}),
    ("preprocess.podTemplate", {"nodeSelector": {"zone": "b"}}),
    ("training.podTemplate", {"tolerations": [{"operator": "Exists"}]}),
    ("training", {"epochs": 7}),
    ("gpu", {"resourceName": "amd.com/gpu"}),
    ("checkpoints", {"keepLast": 5}),
    ("retry", {"backoff": "20s"}),
    ("retry.onOOM", {"maxMemory": "64Gi"}),
    ("review.required", True),
]


def stored(kube: Kube, namespace: str, *, started: bool) -> str:
    name: str = kube.create_run(namespace, changed("image", "worker:1"))["metadata"]["name"]
    if started:
        kube.patch(f"{kube.run_path(namespace, name)}/status", {"status": {"startTime": "2026-01-01T00:00:00Z"}})
    return kube.run_path(namespace, name)


@pytest.mark.parametrize(("field", "value"), IMMUTABLE, ids=[field for field, _ in IMMUTABLE])
def test_a_field_may_change_before_the_start_and_not_after(
    kube: Kube, rules_namespace: str, field: str, value: Any
) -> None:
    *folders, last = field.split(".")
    spec: Object = {last: value}
    for folder in reversed(folders):
        spec = {folder: spec}
    kube.patch(stored(kube, rules_namespace, started=False), {"spec": spec})
    path = stored(kube, rules_namespace, started=True)
    with pytest.raises(KubeError, match=f"spec.{field}.* is immutable once the run has started"):
        kube.patch(path, {"spec": spec})
    assert kube.get(path)["metadata"]["generation"] == 1


@pytest.mark.parametrize("field", ["image"])
def test_an_optional_field_may_not_be_removed_after_the_start(kube: Kube, rules_namespace: str, field: str) -> None:
    path = stored(kube, rules_namespace, started=True)
    with pytest.raises(KubeError, match=f"spec.{field} is immutable"):
        kube.patch(path, {"spec": {field: None}})


MUTABLE: list[Object] = [
    {"suspend": True},
    {"retry": {"limit": 9}},
    {"ttlSecondsAfterFinished": {"succeeded": 60, "failed": None}},
    {"review": {"approved": True}},
    {"deadlines": {"start": "30m", "progress": "2h", "active": "12h"}},
]


@pytest.mark.parametrize("change", MUTABLE)
def test_some_fields_may_change_after_the_start(kube: Kube, rules_namespace: str, change: Object) -> None:
    kube.patch(stored(kube, rules_namespace, started=True), {"spec": change})


def test_a_worker_that_runs_out_of_memory_gets_half_as_much_again(kube: Kube, rules_namespace: str) -> None:
    retry = create(kube, rules_namespace, changed("retry.onOOM", {"maxMemory": "64Gi"}))["spec"]["retry"]
    assert retry["onOOM"] == {"memoryFactor": 1.5, "maxMemory": "64Gi"}


START = "2026-01-01T00:00:00Z"
A_MODEL = {"uri": "s3://tables/m.pth", "sha256": "ab", "sizeBytes": 1, "manifest": "s3://tables/m.json", "metrics": []}
# What is written first, what may follow, and what may not.
ONCE_ONLY: list[tuple[str, Object, Object, Object]] = [
    ("startTime", {"startTime": START}, {"phase": "Training"}, {"startTime": "2026-01-02T00:00:00Z"}),
    ("startTime", {"startTime": START}, {"startTime": START}, {"startTime": None}),
    ("model", {"model": A_MODEL}, {"report": "s3://tables/report.html"}, {"model": {"sha256": "cd"}}),
    ("model", {"model": A_MODEL}, {"model": A_MODEL}, {"model": None}),
    ("phase", {"phase": "Succeeded"}, {"gpu": "1 x NVIDIA L4"}, {"phase": "Training"}),
    ("phase", {"phase": "Failed"}, {"phase": "Failed"}, {"phase": None}),
    ("phase", {"phase": "Failed"}, {"node": "node-1"}, {"phase": "Succeeded"}),
]


@pytest.mark.parametrize("case", ONCE_ONLY)
def test_some_of_the_status_is_written_once(
    kube: Kube, rules_namespace: str, case: tuple[str, Object, Object, Object]
) -> None:
    field, first, allowed, refused = case
    path = f"{stored(kube, rules_namespace, started=False)}/status"
    kube.patch(path, {"status": {"phase": "Pending"}})
    kube.patch(path, {"status": first})
    kube.patch(path, {"status": allowed})
    with pytest.raises(KubeError, match=f"status.{field}") as rejected:
        kube.patch(path, {"status": refused})
    assert rejected.value.status == 422


def test_a_run_that_is_over_takes_a_last_report_of_its_progress(kube: Kube, rules_namespace: str) -> None:
    path = f"{stored(kube, rules_namespace, started=True)}/status"
    kube.patch(path, {"status": {"phase": "Succeeded", "model": A_MODEL}})
    name = path.removesuffix("/status").rsplit("/", 1)[1]
    meta = {"name": name, "namespace": rules_namespace}
    progress = {"stage": "train", "attempt": 1, "sequence": 9, "percent": 100}
    body = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun", "metadata": meta}
    query = "fieldManager=trainingrun-progress&force=true"
    apply = "application/apply-patch+yaml"
    written = kube.call("PATCH", f"{path}?{query}", {**body, "status": {"progress": progress}}, content_type=apply)
    assert written["status"]["progress"]["percent"] == 100
    assert (written["status"]["phase"], written["status"]["startTime"]) == ("Succeeded", START)
    # An apply that leaves the fields of others out takes nothing of them away.
    written = kube.call("PATCH", f"{path}?{query}", {**body, "status": {}}, content_type=apply)
    assert "progress" not in written["status"]
    assert written["status"]["model"] == A_MODEL


def test_a_status_that_was_decided_on_an_older_run_is_refused(kube: Kube, rules_namespace: str) -> None:
    path = stored(kube, rules_namespace, started=True)
    observed = kube.get(path)["metadata"]
    kube.patch(f"{path}/status", {"status": {"phase": "Training"}})
    meta = {name: observed[name] for name in ("name", "namespace", "uid", "resourceVersion")}
    body = {"apiVersion": "training.badgerdoc.dev/v1alpha1", "kind": "TrainingRun", "metadata": meta}
    body["status"] = {"phase": "Queued", "startTime": START}
    query = "fieldManager=trainingrun-operator&force=true"
    with pytest.raises(KubeError) as rejected:
        kube.call("PATCH", f"{path}/status?{query}", body, content_type="application/apply-patch+yaml")
    assert rejected.value.status == 409
    assert kube.status(meta["namespace"], meta["name"])["phase"] == "Training"


def test_gpus_may_come_by_a_claim_of_the_train_pods(kube: Kube, rules_namespace: str) -> None:
    claims = changed("training.podTemplate.resourceClaims", [A_CLAIM])
    gpu = create(kube, rules_namespace, changed("gpu.resourceClaim", "gpu", claims))["spec"]["gpu"]
    assert gpu["resourceClaim"] == "gpu"
    with pytest.raises(KubeError, match=r"names one of training\.podTemplate\.resourceClaims"):
        create(kube, rules_namespace, changed("gpu.resourceClaim", "nic", claims))


@pytest.mark.parametrize("stage", ["preprocess", "training"])
def test_resources_may_change_while_the_run_is_suspended(kube: Kube, rules_namespace: str, stage: str) -> None:
    path = stored(kube, rules_namespace, started=True)
    more = {stage: {"podTemplate": {"resources": {"limits": {"memory": "64Gi"}}}}}
    with pytest.raises(KubeError, match=f"spec.{stage}.podTemplate.resources may be changed only while spec.suspend"):
        kube.patch(path, {"spec": more})
    with pytest.raises(KubeError, match="set that first"):
        kube.patch(path, {"spec": {**more, "suspend": True}})
    kube.patch(path, {"spec": {"suspend": True}})
    kube.patch(path, {"spec": more})
    with pytest.raises(KubeError, match=f"spec.{stage}.podTemplate is immutable"):
        kube.patch(path, {"spec": {stage: {"podTemplate": {"schedulerName": "other"}}}})
    kube.patch(path, {"spec": {stage: {"podTemplate": {"resources": {"limits": {"memory": "9Gi"}}}}, "suspend": False}})


def test_the_spec_cannot_be_changed_through_the_status(kube: Kube, rules_namespace: str) -> None:
    path = stored(kube, rules_namespace, started=False)
    kube.patch(f"{path}/status", {"spec": {"suspend": True}, "status": {"phase": "Pending"}})
    run = kube.get(path)
    assert run["spec"]["suspend"] is False
    assert run["status"]["phase"] == "Pending"


def test_the_columns_show_what_people_look_for(kube: Kube, rules_namespace: str) -> None:
    path = stored(kube, rules_namespace, started=True)
    condition = {"type": "Succeeded", "status": "Unknown", "reason": "Training", "message": "m"}
    status = {
        "phase": "Training",
        "stage": "train",
        "gpu": "2 x NVIDIA L4",
        "node": "node1",
        "queue": "gpus",
        "conditions": [{**condition, "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "attempts": {"counted": 2},
        "progress": {"percent": 15, "percentage": "15%", "epochs": "3/20", "eta": "1h12m"},
        "bestCheckpoint": {"epoch": 3, "uri": "s3://c", "metric": "0.639"},
        "resumePoints": [{"epoch": 3, "uri": "s3://c", "time": "2026-01-01T00:00:00Z"}],
        "model": {"uri": "s3://tables/m.pth", "sha256": "ab"},
    }
    kube.patch(f"{path}/status", {"status": status})
    table = kube.call("GET", path, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"})
    names = [column["name"].upper() for column in table["columnDefinitions"]]
    cells = dict(zip(names, table["rows"][0]["cells"], strict=True))
    wide = {column["name"].upper() for column in table["columnDefinitions"] if column["priority"] == 1}
    assert wide == {"STAGE", "GPU", "NODE", "LAST-CKPT", "QUEUE", "REASON"}
    assert {name: cells[name] for name in ("PHASE", "EPOCH", "PROGRESS", "ETA", "BEST", "RETRIES", "MODEL")} == {
        "PHASE": "Training",
        "EPOCH": "3/20",
        "PROGRESS": "15%",
        "ETA": "1h12m",
        "BEST": "0.639",
        "RETRIES": 2,
        "MODEL": "s3://tables/m.pth",
    }
    assert (cells["STAGE"], cells["NODE"], cells["REASON"]) == ("train", "node1", "Training")
    assert cells["QUEUE"] == "gpus"
    assert cells["GPU"] == "2 x NVIDIA L4"


def test_runs_are_selected_by_phase_and_by_bucket(kube: Kube) -> None:
    namespace = kube.create_namespace()
    paths = [stored(kube, namespace, started=False) for _ in range(2)]
    kube.patch(f"{paths[0]}/status", {"status": {"phase": "Training"}})
    kube.patch(paths[1], {"spec": {"storage": {"bucket": "other"}}})

    def selected(selector: str) -> list[str]:
        found = kube.items(f"{kube.run_path(namespace, '').rstrip('/')}?fieldSelector={selector}")
        return [kube.run_path(namespace, run["metadata"]["name"]) for run in found]

    assert selected("status.phase%3DTraining") == paths[:1]
    assert selected("status.phase%21%3DTraining") == paths[1:]
    assert selected("spec.storage.bucket%3Dother,status.phase%3D") == paths[1:]
    with pytest.raises(KubeError, match="field label not supported"):
        selected("spec.image%3Dworker:1")
    kube.delete(f"/api/v1/namespaces/{namespace}")


def test_all_that_is_deleted_in_a_namespace_leaves_its_runs(kube: Kube) -> None:
    resources = kube.get("/apis/training.badgerdoc.dev/v1alpha1")["resources"]
    assert [each.get("categories", []) for each in resources if each["name"] == "trainingruns"] == [[]]
