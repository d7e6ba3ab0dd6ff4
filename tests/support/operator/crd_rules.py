"""The rules of the CRD, each with a value that it accepts and one that it rejects."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from tests.support.cluster.kube import Object

VALID: Object = {
    "apiVersion": "training.badgerdoc.dev/v1alpha1",
    "kind": "TrainingRun",
    "metadata": {"generateName": "rule-"},
    "spec": {
        "storage": {"bucket": "tables"},
        "dataset": {"sourceFolder": "sources/demo", "targetFolder": "datasets/demo"},
        "training": {"modelOutput": "s3://tables/models/demo/tables.pth"},
    },
}
QUANTITY = "preprocess.podTemplate.resources.{}.{}"


def changed(path: str, value: Any, base: Object = VALID) -> Object:
    """`base` with one field changed; None removes it."""
    body = copy.deepcopy(base)
    *folders, last = f"spec.{path}".split(".")
    target: Any = body
    for folder in folders:
        target = target.setdefault(folder, {})
    if value is None:
        target.pop(last, None)
    else:
        target[last] = value
    return body


@dataclass(frozen=True)
class Rule:
    path: str
    accepted: Any
    rejected: Any
    # What the API server must say: the rule's own message, or the schema's.
    says: str

    def __str__(self) -> str:
        return f"{self.path}: {self.says}"


URI = "must be s3://bucket/path"
ALL_TAINTS = {"operator": "Exists"}
# A DNS subdomain (RFC 1123), as the API server wants names; each is too short, too long or wrong in another way.
NO_NAMES = ("Upper", "a b", "-a", "a.", "a..b", "a_b", "ü")
KEYS = "each key is a name of letters"
LABEL_VALUE = "must be empty or of letters"
RULES = [
    Rule("storage", {"bucket": "tables"}, None, "spec.storage: Required value"),
    Rule("storage.bucket", "my-bucket.1", None, "spec.storage.bucket: Required value"),
    Rule("storage.bucket", "abc", "s3://tables", "must be an S3 bucket name"),
    Rule("storage.bucket", "abc", "Upper", "must be an S3 bucket name"),
    Rule("storage.bucket", "b" * 63, "b" * 64, "may not be more than 63"),
    Rule("storage.endpoint", "https://s3.example", "s3.example:9000", "must be an http:// or https:// URL"),
    Rule("storage.endpoint", "http://10.0.0.1:8333", "ftp://s3.example", "must be an http:// or https:// URL"),
    Rule("storage.region", "eu-central-1", "", "at least 1 chars"),
    Rule("storage.credentialsSecret", "s3", "", "at least 1 chars"),
    Rule("storage.sse", {"type": "AES256"}, {"type": "rot13"}, "Unsupported value"),
    Rule("storage.sse", {"type": "aws:kms"}, {"kmsKeyId": "k"}, "spec.storage.sse.type: Required value"),
    Rule(
        "storage.sse",
        {"type": "aws:kms", "kmsKeyId": "k"},
        {"type": "AES256", "kmsKeyId": "k"},
        "kmsKeyId needs type aws:kms",
    ),
    Rule("dataset", {"sourceFolder": "a", "targetFolder": "b"}, None, "spec.dataset: Required value"),
    Rule("dataset.sourceFolder", "a b/ü", "/a", "without a slash or hyphen at its start"),
    Rule("dataset.sourceFolder", "a-b", "-a", "without a slash or hyphen at its start"),
    Rule("dataset.sourceFolder", "a/b", "a/b/", "without a slash or hyphen at its start"),
    Rule("dataset.sourceFolder", "a/b", "a//b", "without a slash or hyphen at its start"),
    Rule("dataset.sourceFolder", "a..b", "a/../b", "must not contain . or .."),
    Rule("dataset.sourceFolder", "a" * 256, "a" * 257, "may not be more than 256"),
    Rule("dataset.sourceFolder", "a", None, "spec.dataset.sourceFolder: Required value"),
    Rule("dataset.targetFolder", "a/b", "a\nb", "without a slash or hyphen at its start"),
    Rule("dataset.targetFolder", "a.b", "./a", "must not contain . or .."),
    Rule("dataset.targetFolder", "sources/demo/out", "sources/demo", "targetFolder must differ from sourceFolder"),
    Rule("dataset.targetFolder", "a", None, "spec.dataset.targetFolder: Required value"),
    Rule("dataset.dpi", 36, 35, "greater than or equal to 36"),
    Rule("dataset.dpi", 600, 601, "less than or equal to 600"),
    Rule("dataset.format", "platform", "coco", "Unsupported value"),
    Rule("dataset.format", "badgerdoc", "", "Unsupported value"),
    Rule("dataset.coordinates", "points", "pixels", "must be auto, points, or 36dpi to 1200dpi"),
    Rule("dataset.coordinates", "36dpi", "35dpi", "must be auto, points, or 36dpi to 1200dpi"),
    Rule("dataset.coordinates", "1200dpi", "1201dpi", "must be auto, points, or 36dpi to 1200dpi"),
    Rule("dataset.coordinates", "400dpi", "0400dpi", "must be auto, points, or 36dpi to 1200dpi"),
    Rule("dataset.coordinates", "auto", "", "must be auto, points, or 36dpi to 1200dpi"),
    Rule("dataset.coordinates", "120dpi", "120000dpi", "may not be more than 8"),
    Rule("dataset.frame", "media", "mediabox", "Unsupported value"),
    Rule("dataset.frame", "crop", "", "Unsupported value"),
    Rule("dataset.imageFormat", "png", "tiff", "Unsupported value"),
    Rule("dataset.parallelism", 1, 0, "greater than or equal to 1"),
    Rule("dataset.parallelism", 64, 65, "less than or equal to 64"),
    Rule("dataset.maxFailedDocuments", 0, -1, "must be a number from 0 to 1000000 or a percentage from 0% to 100%"),
    Rule("dataset.maxFailedDocuments", 1000000, 1000001, "must be a number from 0 to 1000000 or a percentage"),
    Rule("dataset.maxFailedDocuments", "0%", "3", "must be a number from 0 to 1000000 or a percentage"),
    Rule("dataset.maxFailedDocuments", "100%", "101%", "must be a number from 0 to 1000000 or a percentage"),
    Rule("dataset.maxFailedDocuments", "10%", "2.5%", "must be a number from 0 to 1000000 or a percentage"),
    Rule("dataset.maxFailedDocuments", "9%", "", "must be a number from 0 to 1000000 or a percentage"),
    Rule("dataset.passwordsSecret", "passwords", "", "at least 1 chars"),
    Rule("dataset.passwordsSecret", "p" * 253, "p" * 254, "may not be more than 253"),
    Rule("dataset.split", {"train": 70, "val": 15, "test": 15}, {"train": 70}, "must sum to 100"),
    Rule("dataset.split", {"train": 98, "val": 1, "test": 1}, {"train": 90, "val": 10, "test": 0}, "equal to 1"),
    Rule("dataset.split", {"train": 1, "val": 1, "test": 98}, {"train": 0, "val": 2, "test": 98}, "equal to 1"),
    Rule("dataset.split", {"train": 1, "val": 98, "test": 1}, {"train": 0, "val": 99, "test": 1}, "equal to 98"),
    Rule("dataset.split.seed", 4294967295, 4294967296, "less than or equal to 4294967295"),
    Rule("dataset.split.seed", 0, -1, "greater than or equal to 0"),
    Rule("image", "registry.example:5000/worker:1", "registry/worker :1", "without spaces"),
    Rule("image", "w", "", "at least 1 chars"),
    Rule("image", "w" * 512, "w" * 513, "may not be more than 512"),
    Rule("imagePullPolicy", "Always", "Sometimes", "Unsupported value"),
    Rule("imagePullSecrets", [{"name": "a"}, {"name": "b"}], [{"name": "a"}, {"name": "a"}], "Duplicate value"),
    Rule("imagePullSecrets", [], [{"name": str(n)} for n in range(9)], "at most 8 items"),
    Rule("managedBy", "kueue.x-k8s.io/multikueue", "multikueue", "must be a path with a domain before it"),
    Rule("managedBy", "kubernetes.io/job-controller", "Kueue.io/x", "must be a path with a domain before it"),
    Rule("managedBy", "a.b/c/d:e", "a.b/", "must be a path with a domain before it"),
    Rule("managedBy", "a/" + "b" * 61, "a/" + "b" * 62, "may not be more than 63"),
    Rule("serviceAccountName", "trainer", "", "at least 1 chars"),
    Rule("training", {"modelOutput": "s3://tables/m.pth"}, None, "spec.training: Required value"),
    Rule("training.modelOutput", "s3://tables/m.pth", None, "spec.training.modelOutput: Required value"),
    Rule("training.modelOutput", "s3://tables/a/b c/m.pth", "s3://tables/models/", URI),
    Rule("training.modelOutput", "s3://tables/m.pth", "/work/m.pth", URI),
    Rule("training.modelOutput", "s3://tables/m.pth", "s3://tables", URI),
    Rule("training.config", "config_3_cls_tiny.py", "../secret.py", "must be the name of a built-in config"),
    Rule("training.config", "s3://tables/configs/mine.py", "s3://tables/mine.yaml", "must be the name of a built-in"),
    Rule("training.config", "a.py", "--x.py", "must be the name of a built-in"),
    Rule("training.loadFrom", "s3://tables/base.pth", "base.pth", URI),
    Rule("training.loadFrom", "builtin://tables-tiny", "builtin://", "or builtin://name"),
    Rule("training.loadFrom", "builtin://a", "builtin://../secret", "or builtin://name"),
    Rule("training.loadFrom", "builtin://tables-2.1", "builtin://Tables", "or builtin://name"),
    Rule("training.device", "cpu", "gpu", "Unsupported value"),
    Rule("training.device", "cuda", "", "Unsupported value"),
    # Why it is not called off: kubectl makes false of that.
    Rule("training.amp", "none", False, "must be of type string"),
    Rule("training.amp", "bf16", "off", "Unsupported value"),
    Rule("training.amp", "fp16", "float16", "Unsupported value"),
    Rule("training.publish", "last", "first", "Unsupported value"),
    Rule("training.publish", "best", True, "must be of type string"),
    Rule("preprocess.image", "registry.example:5000/slim:1", "registry/slim :1", "without spaces"),
    Rule("preprocess.image", "w", "", "at least 1 chars"),
    Rule("preprocess.image", "w" * 512, "w" * 513, "may not be more than 512"),
    Rule(
        "training.loadFrom",
        "s3://tables/base.pth",
        "s3://tables/models/demo/tables.pth",
        "modelOutput must differ from loadFrom",
    ),
    Rule("training.resumeFrom", "auto", "latest", "must be auto or s3://"),
    Rule("training.resumeFrom", "s3://tables/c/epoch_1.pth", "", "must be auto or s3://"),
    Rule("training.epochs", 1, 0, "greater than or equal to 1"),
    Rule("training.epochs", 10000, 10001, "less than or equal to 10000"),
    Rule("training.demo", True, "yes", "must be of type boolean"),
    Rule("training.seed", 0, -1, "greater than or equal to 0"),
    Rule("training.seed", 4294967295, 4294967296, "less than or equal to 4294967295"),
    Rule("training.gpusPerNode", 1, 0, "greater than or equal to 1"),
    Rule("training.gpusPerNode", 16, 17, "less than or equal to 16"),
    Rule("gpu.resourceName", "nvidia.com/mig-1g.5gb", "gpu", "must be an extended resource"),
    Rule("gpu.resourceName", "amd.com/gpu", "nvidia.com/", "must be an extended resource"),
    Rule("training.configMap", {"name": "configs", "key": "a.py"}, {"name": "configs"}, "key: Required value"),
    Rule("training.configMap", {"name": "configs", "key": "a.py"}, {"key": "a.py"}, "name: Required value"),
    Rule("training.configMap", {"name": "c", "key": "a_b-1.py"}, {"name": "c", "key": "a.yaml"}, "a Python file"),
    Rule("training.configMap", {"name": "c", "key": "a.py"}, {"name": "c", "key": "../a.py"}, "a Python file"),
    Rule("training.configMap", {"name": "c", "key": "a.py"}, {"name": "", "key": "a.py"}, "at least 1 chars long"),
    Rule("training.configMap", {"name": "c" * 253, "key": "a.py"}, {"name": "c" * 254, "key": "a.py"}, "more than 253"),
    Rule("training.configMap", {"name": "c", "key": "a.py"}, {"name": "c", "key": f"{'a' * 251}.py"}, "more than 253"),
    Rule("training.configOptions", ["model.neck.type=X", "a=[1,2]"], ["--verbose"], "must be name=value"),
    Rule("training.configOptions", ["a.0.b=1"], ["a b=1"], "must be name=value"),
    Rule("training.configOptions", ["a=1"] * 32, ["a=1"] * 33, "must have at most 32 items"),
    Rule("training.configOptions", [f"a={'1' * 254}"], [f"a={'1' * 255}"], "more than 256"),
    Rule("training.nodes", 1, 0, "greater than or equal to 1"),
    Rule("training.nodes", 16, 17, "less than or equal to 16"),
    Rule("checkpoints.everyEpochs", 1, 0, "greater than or equal to 1"),
    Rule("checkpoints.everyEpochs", 10000, 10001, "less than or equal to 10000"),
    Rule("checkpoints.everyMinutes", 1, 0, "greater than or equal to 1"),
    Rule("checkpoints.everyMinutes", 1440, 1441, "less than or equal to 1440"),
    Rule("checkpoints.keepLast", 1, 0, "greater than or equal to 1"),
    Rule("checkpoints.keepLast", 100, 101, "less than or equal to 100"),
    Rule("checkpoints.keepBest", 0, -1, "greater than or equal to 0"),
    Rule("checkpoints.keepBest", 100, 101, "less than or equal to 100"),
    Rule("retry.limit", 0, -1, "greater than or equal to 0"),
    Rule("retry.limit", 100, 101, "less than or equal to 100"),
    Rule("retry.backoff", "1m30s", "30", "must be a duration from 1s to 1h"),
    Rule("retry.backoff", "1s", "0s", "must be a duration from 1s to 1h"),
    Rule("retry.backoff", "1h", "2h", "must be a duration from 1s to 1h"),
    Rule("retry.backoff", "10s", "", "must be a duration from 1s to 1h"),
    Rule("retry.onOOM", {"maxMemory": "64Gi"}, {"memoryFactor": 2}, "spec.retry.onOOM.maxMemory: Required value"),
    Rule(
        "retry.onOOM", {"memoryFactor": 1.1, "maxMemory": "1e10"}, {"maxMemory": "lots"}, "must be an amount of memory"
    ),
    Rule("retry.onOOM", {"memoryFactor": 10, "maxMemory": "512Mi"}, {"maxMemory": "0"}, "must be an amount of memory"),
    Rule("retry.onOOM", {"maxMemory": "1Ti"}, {"memoryFactor": 1, "maxMemory": "64Gi"}, "must be from 1.1 to 10"),
    Rule("retry.onOOM", {"maxMemory": "1Ti"}, {"memoryFactor": 11, "maxMemory": "64Gi"}, "must be from 1.1 to 10"),
    Rule("deadlines.start", "10s", "9s", "must be a duration from 10s to 720h"),
    Rule("deadlines.start", "720h", "721h", "must be a duration from 10s to 720h"),
    Rule("deadlines.start", "1h30m", "1.5h", "must be a duration from 10s to 720h"),
    Rule("deadlines.progress", "2m", "1m59s", "must be a duration from 2m to 720h"),
    Rule("deadlines.progress", "720h", "720h1s", "must be a duration from 2m to 720h"),
    Rule("deadlines.progress", "150s", "", "must be a duration from 2m to 720h"),
    Rule("deadlines.active", "10s", "9s", "must be a duration from 10s to 8760h"),
    Rule("deadlines.active", "8760h", "8761h", "must be a duration from 10s to 8760h"),
    Rule("deadlines.active", "12h", "12", "must be a duration from 10s to 8760h"),
    Rule("review.required", True, "yes", "must be of type boolean"),
    Rule("review.approved", True, "yes", "must be of type boolean"),
    Rule("ttlSecondsAfterFinished", {"succeeded": 0, "failed": 86400}, {"succeeded": -1}, "greater than or equal to 0"),
    Rule("ttlSecondsAfterFinished", {}, {"failed": -1}, "greater than or equal to 0"),
    Rule("ttlSecondsAfterFinished", {"failed": 2**31 - 1}, {"failed": "1d"}, "must be of type integer"),
    Rule("suspend", True, "true", "must be of type boolean"),
    Rule(QUANTITY.format("limits", "memory"), "4Gi", "lots", "should match"),
    Rule(QUANTITY.format("requests", "cpu"), 2, "-1", "should match"),
    Rule(QUANTITY.format("limits", "memory"), 4294967296, -1, "greater than or equal to 0"),
    Rule(QUANTITY.format("requests", "memory"), 0, -1, "greater than or equal to 0"),
    Rule(QUANTITY.format("limits", "memory"), "1e10", "1e400", "should match"),
    Rule(QUANTITY.format("requests", "memory"), "1E+9", "1e400", "should match"),
    Rule(QUANTITY.format("limits", "cpu"), "1500m", "1" * 33, "may not be more than 32"),
    Rule("training.podTemplate.resources.limits", {"memory": 1}, {"memory": -1}, "greater than or equal to 0"),
    Rule("training.podTemplate.resources.requests", {"memory": "1e9"}, {"memory": "1e400"}, "should match"),
    Rule("preprocess.podTemplate.resources.limits", {"cpu": "1"}, {"nvidia.com/gpu": 1}, "preprocess runs on the CPU"),
    Rule(
        "preprocess.podTemplate.resources.requests", {"cpu": "1"}, {"nvidia.com/gpu": 1}, "preprocess runs on the CPU"
    ),
    Rule("training.podTemplate.resources.limits", {"memory": "4Gi"}, {"nvidia.com/gpu": 2}, "gpusPerNode"),
    Rule("training.podTemplate.resources.requests", {"memory": "4Gi"}, {"nvidia.com/gpu": 2}, "gpusPerNode"),
    Rule("training.podTemplate.nodeSelector", {"zone": "a"}, {"zone": "a" * 64}, "may not be more than 63"),
    Rule(
        "training.podTemplate.nodeSelector",
        {f"k{n}": "v" for n in range(16)},
        {f"k{n}": "v" for n in range(17)},
        "at most 16 items",
    ),
    Rule(
        "training.podTemplate.tolerations",
        [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        [{"key": "gpu", "operator": "Maybe"}],
        "Unsupported value",
    ),
    Rule("training.podTemplate.tolerations", [ALL_TAINTS] * 16, [ALL_TAINTS] * 17, "at most 16 items"),
    Rule("training.podTemplate.labels", {"team": "tables"}, {"training.badgerdoc.dev/run": "x"}, "set by the operator"),
    Rule(
        "preprocess.podTemplate.labels", {"team": "tables"}, {"training.badgerdoc.dev/run": "x"}, "set by the operator"
    ),
    Rule(
        "training.podTemplate.annotations",
        {"note": "a b"},
        {"training.badgerdoc.dev/x": "x"},
        "set by the operator",
    ),
    Rule(
        "preprocess.podTemplate.annotations",
        {"note": "a b"},
        {"training.badgerdoc.dev/x": "x"},
        "set by the operator",
    ),
    Rule("preprocess.podTemplate.annotations", {"note": "x" * 1024}, {"note": "x" * 1025}, "may not be more than 1024"),
    *(
        Rule(f"{stage}.podTemplate.{field}", accepted, rejected, says)
        for stage in ("preprocess", "training")
        for field, accepted, rejected, says in (
            ("env", [{"name": "NCCL_DEBUG", "value": "INFO"}], [{"name": "HOME", "value": "/"}], "are not set here"),
            ("env", [{"name": "MASTER_PORT", "value": "1"}], [{"name": "MASTER_ADDR"}], "are not set here"),
            ("env", [{"name": "MLFLOW_RUN", "value": "a"}], [{"name": "TRAINING_RUN_UID"}], "are not set here"),
            ("env", [{"name": "AWS_MAX_ATTEMPTS", "value": "9"}], [{"name": "AWS_SECRET_ACCESS_KEY"}], "spec.storage"),
            ("env", [{"name": "_a1"}], [{"name": "1a"}], "must be letters, digits and underscores"),
            ("env", [{"name": "a"}], [{"name": "a-b"}], "must be letters, digits and underscores"),
            ("env", [{"name": "a" * 128}], [{"name": "a" * 129}], "may not be more than 128"),
            ("env", [{"name": "a", "value": "v" * 2048}], [{"name": "a", "value": "v" * 2049}], "more than 2048"),
            ("env", [{"name": "a", "value": "1"}], [{"name": "a", "value": 1}], "must be of type string"),
            ("env", [{"name": "a"}, {"name": "b"}], [{"name": "a"}, {"name": "a"}], "Duplicate value"),
            ("env", [{"name": f"a{n}"} for n in range(32)], [{"name": f"a{n}"} for n in range(33)], "at most 32 items"),
            ("env", [], [{"value": "1"}], "name: Required value"),
            ("runtimeClassName", "nvidia", "", "at least 1 chars"),
            ("runtimeClassName", "n" * 253, "n" * 254, "may not be more than 253"),
            ("priorityClassName", "high", "", "at least 1 chars"),
            ("priorityClassName", "p" * 253, "p" * 254, "may not be more than 253"),
        )
    ),
    *(
        Rule(path, accepted, no_name, f"must be the name of {what}")
        for path, accepted, what in (
            ("storage.credentialsSecret", "s3.credentials-1", "a Secret"),
            ("dataset.passwordsSecret", "0.passwords", "a Secret"),
            ("serviceAccountName", "system.trainer", "a ServiceAccount"),
            ("training.podTemplate.runtimeClassName", "nvidia", "a RuntimeClass"),
            ("preprocess.podTemplate.priorityClassName", "system-node-critical", "a PriorityClass"),
            ("preprocess.podTemplate.serviceAccountName", "trainer", "a ServiceAccount"),
        )
        for no_name in NO_NAMES
    ),
    Rule("imagePullSecrets", [{"name": "registry.example"}], [{"name": "a b"}], "must be the name of a Secret"),
    Rule("storage.caBundleConfigMap", {"name": "a.b"}, {"name": "A"}, "the name of a ConfigMap"),
    Rule(
        "training.podTemplate.envFrom",
        [{"secretRef": {"name": "a.b"}}],
        [{"secretRef": {"name": "A"}}],
        "the name of an object",
    ),
    Rule("training.configMap", {"name": "a.b", "key": "a.py"}, {"name": "A", "key": "a.py"}, "the name of a ConfigMap"),
    *(
        Rule(f"{stage}.podTemplate.{field}", accepted, rejected, says)
        for stage in ("preprocess", "training")
        for field, accepted, rejected, says in (
            *(
                (field, {key: "1"}, {no_key: "1"}, KEYS)
                for field in ("labels", "annotations", "nodeSelector")
                for key, no_key in (
                    ("example.com/My_team.1", "a b"),
                    ("a", "/a"),
                    ("a/b", "a/b/c"),
                    ("a-b.c/d", "A/b"),
                    ("0", ""),
                    ("a.b", "a."),
                )
            ),
            ("labels", {"a": ""}, {"a": "x y"}, LABEL_VALUE),
            ("labels", {"a": "A.b_c-1"}, {"a": "-a"}, LABEL_VALUE),
            ("nodeSelector", {"a": ""}, {"a": "x/y"}, LABEL_VALUE),
            ("labels", {"kueue.x-k8s.io/queue-name": "a"}, {"batch.kubernetes.io/job-name": "a"}, "set by Kubernetes"),
            ("labels", {"job": "a"}, {"job-name": "a"}, "set by Kubernetes"),
            ("labels", {"uid": "a"}, {"controller-uid": "a"}, "set by Kubernetes"),
            ("tolerations", [ALL_TAINTS], [{}], "needs operator Exists"),
            ("tolerations", [{"key": "a", "value": "b"}], [{"value": "b"}], "needs operator Exists"),
            ("tolerations", [{"key": "a"}], [{"key": "", "operator": "Equal"}], "needs operator Exists"),
            (
                "tolerations",
                [{"key": "a", "operator": "Exists", "value": ""}],
                [{"key": "a", "operator": "Exists", "value": "b"}],
                "operator Exists takes no value",
            ),
            (
                "tolerations",
                [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 0}],
                [{"key": "a", "tolerationSeconds": 0}],
                "tolerationSeconds needs effect NoExecute",
            ),
            ("tolerations", [{"key": "a/b"}], [{"key": "a b"}], "the key is a name of letters"),
            ("tolerations", [{"key": "a", "value": "b"}], [{"key": "a", "value": "b c"}], LABEL_VALUE),
        )
    ),
]
