"""The two Jobs, byte for byte. `make golden` renews the golden files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.operator.world import DEFAULTS, a_run
from trainingrun_operator.core.jobs.defaults import JobDefaults
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.jobs.service import build_service
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

GOLDEN = Path(__file__).parent / "golden"
EVERYTHING: dict[str, Any] = {
    "image": "registry.example/mine:2",
    "imagePullPolicy": "Always",
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccountName": "trainer",
    "storage": {
        "region": "eu-central-1",
        "sse": {"type": "aws:kms", "kmsKeyId": "key-1"},
        "caBundleConfigMap": {"name": "company-ca", "key": "root.pem"},
    },
    "dataset": {
        "format": "platform",
        "coordinates": "400dpi",
        "frame": "crop",
        "dpi": 200,
        "imageFormat": "png",
        "split": {"train": 70, "val": 20, "test": 10, "seed": 7},
        "maxFailedDocuments": 3,
        "passwordsSecret": "passwords",
    },
    "preprocess": {
        "image": "registry.example/mine:2-slim",
        "podTemplate": {
            "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
            "env": [{"name": "MALLOC_ARENA_MAX", "value": "2"}],
            "serviceAccountName": "reader",
            "terminationGracePeriodSeconds": 60,
            "runtimeClassName": "gvisor",
            "priorityClassName": "low",
        },
    },
    "training": {
        "configMap": {"name": "configs", "key": "mine.py"},
        "configOptions": ["optim_wrapper.optimizer.lr=0.002"],
        "loadFrom": "builtin://tables-tiny",
        "amp": "bf16",
        "publish": "best",
        "demo": True,
        "seed": 42,
        "gpusPerNode": 2,
        "podTemplate": {
            "resources": {"requests": {"memory": "8Gi"}, "limits": {"memory": "64Gi"}},
            "env": [
                {"name": "NCCL_DEBUG", "value": "INFO"},
                {"name": "EMPTY"},
                {"name": "MLFLOW_TRACKING_TOKEN", "valueFrom": {"secretKeyRef": {"name": "mlflow", "key": "token"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "nccl"}}],
            "volumes": [
                {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
                {"name": "hook", "emptyDir": {"sizeLimit": "1Gi"}},
            ],
            "volumeMounts": [
                {"name": "cache", "mountPath": "/cache", "subPath": "tables"},
                {"name": "hook", "mountPath": "/hook", "readOnly": True},
            ],
            "initContainers": [
                {
                    "name": "fetch",
                    "image": "registry.example/fetcher:1",
                    "command": ["sh", "-c", "fetch $(TARGET) > /hook/a"],
                    "env": [{"name": "TARGET", "value": "a"}],
                    "resources": {"limits": {"memory": "64Mi"}},
                    "volumeMounts": [{"name": "hook", "mountPath": "/hook"}],
                }
            ],
            "terminationGracePeriodSeconds": 300,
            "schedulerName": "bin-packing",
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "gpu-memory", "operator": "Gt", "values": ["15"]}]}
                        ]
                    }
                }
            },
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
            ],
            "runtimeClassName": "nvidia",
            "priorityClassName": "high",
            "nodeSelector": {"gpu": "t4"},
            "tolerations": [{"key": "team", "operator": "Equal", "value": "tables", "effect": "NoSchedule"}],
            "labels": {"kueue.x-k8s.io/queue-name": "team"},
            "annotations": {"note": "a"},
        },
    },
    "gpu": {"resourceName": "nvidia.com/gpu.shared"},
    "checkpoints": {"everyEpochs": 2, "everyMinutes": 5, "keepLast": 3, "keepBest": 2},
}


def build(stage: Stage, attempt: int = 1, defaults: JobDefaults = DEFAULTS, **spec: Any) -> dict[str, Any]:
    return build_job(Run.parse(a_run(**spec)), stage, attempt, defaults)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = job["spec"]["template"]["spec"]
    return pod


def environment_of(job: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in pod_of(job)["containers"][0]["env"]}


SHARDED: dict[str, Any] = {"dataset": {"parallelism": 4}}
NODES: dict[str, Any] = {"training": {"nodes": 3, "gpusPerNode": 2}}
CLAIM: dict[str, Any] = {
    "training": {"podTemplate": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]}},
    "gpu": {"resourceClaim": "gpu"},
}


@pytest.mark.parametrize(
    ("stage", "variant", "spec"),
    [
        (Stage.PREPROCESS, "plain", {}),
        (Stage.PREPROCESS, "everything", EVERYTHING),
        (Stage.PREPROCESS, "sharded", SHARDED),
        (Stage.TRAIN, "plain", {}),
        (Stage.TRAIN, "everything", EVERYTHING),
        (Stage.TRAIN, "nodes", NODES),
        (Stage.TRAIN, "claim", CLAIM),
    ],
)
def test_a_job_is_what_its_golden_file_says(stage: Stage, variant: str, spec: dict[str, Any]) -> None:
    path = GOLDEN / f"{stage}-{variant}.yaml"
    built = yaml.safe_dump(build(stage, **spec), sort_keys=False, width=120)
    if os.environ.get("RENEW_GOLDEN"):
        path.write_text(built)
    assert built == path.read_text()


def test_only_preprocess_is_sharded_and_only_training_has_nodes() -> None:
    assert build(Stage.TRAIN, **SHARDED) == build(Stage.TRAIN)
    assert build(Stage.PREPROCESS, **NODES) == build(Stage.PREPROCESS)


def test_the_nodes_of_a_training_find_the_first_one_by_a_service_of_the_run() -> None:
    run = Run.parse(a_run(**NODES))
    job, service = build(Stage.TRAIN, **NODES), build_service(run)
    name, labels = service["metadata"]["name"], job["spec"]["template"]["metadata"]["labels"]
    assert pod_of(job)["subdomain"] == name
    assert environment_of(job)["MASTER_ADDR"] == f"{job['metadata']['name']}-0.{name}"
    assert environment_of(job)["TRAINING_NODES"] == "3"
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"] | {"selector": {}} == {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {}}
    assert service["metadata"]["ownerReferences"] == job["metadata"]["ownerReferences"]


def test_only_the_preprocess_pod_gets_the_passwords() -> None:
    dataset = {"passwordsSecret": "passwords"}
    assert "passwords" in str(pod_of(build(Stage.PREPROCESS, dataset=dataset))["volumes"])
    assert "passwords" not in str(build(Stage.TRAIN, dataset=dataset))


def test_only_the_train_job_asks_for_a_gpu() -> None:
    assert "limits" not in pod_of(build(Stage.PREPROCESS))["containers"][0]["resources"]
    assert pod_of(build(Stage.TRAIN))["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "1"}


def test_gpus_of_a_claim_are_not_asked_for_as_a_resource_too() -> None:
    pod = pod_of(build(Stage.TRAIN, **CLAIM))
    assert pod["containers"][0]["resources"] == {"claims": [{"name": "gpu"}]}
    assert pod["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert "resourceClaims" not in pod_of(build(Stage.PREPROCESS, **CLAIM))


def test_a_claim_that_the_worker_names_itself_is_named_once() -> None:
    template = {**CLAIM["training"]["podTemplate"], "resources": {"claims": [{"name": "gpu", "request": "large"}]}}
    pod = pod_of(build(Stage.TRAIN, training={"podTemplate": template}, gpu=CLAIM["gpu"]))
    assert pod["containers"][0]["resources"] == {"claims": [{"name": "gpu", "request": "large"}]}


def test_nodes_that_failed_the_run_are_avoided_beside_the_affinity_of_the_template() -> None:
    body = a_run(**EVERYTHING)
    body["status"] = {"excludedNodes": ["node-1"]}
    affinity = pod_of(build_job(Run.parse(body), Stage.TRAIN, 2, DEFAULTS))["affinity"]["nodeAffinity"]
    wanted = EVERYTHING["training"]["podTemplate"]["affinity"]["nodeAffinity"]
    assert wanted.items() <= affinity.items()
    [avoided] = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert avoided["preference"]["matchFields"][0]["values"] == ["node-1"]
    assert len(wanted) == 1, "the spec itself is left as it is"


def test_a_stage_runs_as_the_service_account_that_is_named_most_closely() -> None:
    assert pod_of(build(Stage.PREPROCESS, **EVERYTHING))["serviceAccountName"] == "reader"
    assert pod_of(build(Stage.TRAIN, **EVERYTHING))["serviceAccountName"] == "trainer"
    assert "serviceAccountName" not in pod_of(build(Stage.TRAIN))


@pytest.mark.parametrize("stage", [Stage.PREPROCESS, Stage.TRAIN])
def test_a_ca_of_ones_own_is_mounted_and_named_to_the_s3_client(stage: Stage) -> None:
    job = build(stage, storage={"caBundleConfigMap": {"name": "company-ca"}})
    path = environment_of(job)["AWS_CA_BUNDLE"]
    mount = next(each for each in pod_of(job)["containers"][0]["volumeMounts"] if each["name"] == "ca-bundle")
    assert (path, mount["readOnly"]) == (f"{mount['mountPath']}/ca.crt", True)
    volume = next(each for each in pod_of(job)["volumes"] if each["name"] == "ca-bundle")
    assert volume["configMap"] == {"name": "company-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}


def test_disruption_is_looked_at_before_any_exit_code() -> None:
    rules = build(Stage.TRAIN)["spec"]["podFailurePolicy"]["rules"]
    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert rules[1]["onExitCodes"]["values"] == [64, 65, 66, 77]


def test_credentials_come_from_the_secret_and_are_in_no_job() -> None:
    environment = environment_of(build(Stage.TRAIN))
    assert environment["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "s3-credentials", "key": "AWS_ACCESS_KEY_ID"}}
    assert environment["AWS_SESSION_TOKEN"]["secretKeyRef"]["optional"] is True


def test_without_a_secret_no_credential_variable_is_set_at_all() -> None:
    environment = environment_of(build(Stage.TRAIN, storage={"credentialsSecret": None, "endpoint": None}))
    assert not any(name.startswith("AWS_") for name in environment)


def test_without_a_gateway_the_worker_gets_no_progress_variable() -> None:
    environment = environment_of(build(Stage.TRAIN, defaults=JobDefaults(image="i")))
    assert not any(name.startswith("TRAINING_PROGRESS") for name in environment)


@pytest.mark.parametrize(
    ("limit", "size"),
    [
        (None, "1024Mi"),
        ("4Gi", "2048Mi"),
        ("500M", "238Mi"),
        ("1Ti", "16384Mi"),
        (2147483648, "1024Mi"),
        ("2e9", "953Mi"),
        # The CRD refuses these; an object of an older CRD may hold them, and the API server has the last word.
        ("1e400", "16384Mi"),
        (-1, "1Mi"),
    ],
)
def test_dev_shm_is_half_of_the_memory_limit(limit: str | int | None, size: str) -> None:
    resources = {} if limit is None else {"limits": {"memory": limit}}
    job = build(Stage.TRAIN, training={"podTemplate": {"resources": resources}})
    shm = next(volume for volume in pod_of(job)["volumes"] if volume["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": size}


@pytest.mark.parametrize("stage", [Stage.PREPROCESS, Stage.TRAIN])
def test_a_variable_of_the_operator_wins_over_one_of_the_template(stage: Stage) -> None:
    # The CRD refuses such a name; an object of an older CRD may hold it.
    template = {"podTemplate": {"env": [{"name": "HOME", "value": "/"}, {"name": "A", "value": "$(HOME)"}]}}
    environment = environment_of(build(stage, preprocess=template, training=template))
    assert environment["HOME"] == "/home/trainingrun", "of two variables of one name the last one counts"
    assert environment["A"] == "$$(HOME)"


ONE_IMAGE = JobDefaults(image="worker:1")
TWO_IMAGES = JobDefaults(image="worker:1", preprocess_image="slim:1")


@pytest.mark.parametrize(
    ("defaults", "spec", "preprocess", "train"),
    [
        (ONE_IMAGE, {}, "worker:1", "worker:1"),
        (TWO_IMAGES, {}, "slim:1", "worker:1"),
        (TWO_IMAGES, {"image": "mine:2"}, "mine:2", "mine:2"),
        (TWO_IMAGES, {"preprocess": {"image": "mine:slim"}}, "mine:slim", "worker:1"),
        (ONE_IMAGE, {"image": "mine:2", "preprocess": {"image": "mine:slim"}}, "mine:slim", "mine:2"),
    ],
)
def test_a_stage_runs_in_the_image_that_is_named_most_closely(
    defaults: JobDefaults, spec: dict[str, Any], preprocess: str, train: str
) -> None:
    for stage, image in ((Stage.PREPROCESS, preprocess), (Stage.TRAIN, train)):
        job = build(stage, defaults=defaults, **spec)
        assert pod_of(job)["containers"][0]["image"] == image
        assert environment_of(job)["TRAINING_IMAGE"] == image


def test_a_dollar_sign_in_a_name_is_not_expanded_by_the_kubelet() -> None:
    job = build(Stage.PREPROCESS, dataset={"sourceFolder": "a$(HOME)"})
    assert "a$$(HOME)" in pod_of(job)["containers"][0]["command"]


def test_labels_of_the_operator_win_over_those_of_the_template() -> None:
    body = build(Stage.PREPROCESS, preprocess={"podTemplate": {"labels": {"training.badgerdoc.dev/run-uid": "forged"}}})
    assert body["metadata"]["labels"]["training.badgerdoc.dev/run-uid"] != "forged"
