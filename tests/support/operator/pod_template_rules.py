"""The rules of the podTemplate, each with a value that it accepts and one that it rejects.

Both stages have the same one, so one of them is asked.
"""

from __future__ import annotations

from typing import Any

from tests.support.operator.crd_rules import Rule

A_VOLUME = {"name": "cache", "emptyDir": {}}
A_MOUNT = {"name": "cache", "mountPath": "/cache"}
AN_INIT = {"name": "fetch", "image": "fetcher:1"}
A_CLAIM = {"name": "gpu", "resourceClaimTemplateName": "one-gpu"}
A_TERM = {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["l4"]}]}


def volume(**source: Any) -> list[dict[str, Any]]:
    return [{"name": "mine", **source}]


def mounted(path: str, **fields: Any) -> dict[str, Any]:
    return {"volumes": [A_VOLUME], "volumeMounts": [{"name": "cache", "mountPath": path, **fields}]}


def node_affinity(term: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


def projected(**source: Any) -> list[dict[str, Any]]:
    return volume(projected={"sources": [source]})


def claimed(**spec: Any) -> list[dict[str, Any]]:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return volume(ephemeral={"volumeClaimTemplate": {"spec": claim}})


def from_secret(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}, **more}}]


def _init(**fields: Any) -> list[dict[str, Any]]:
    return [{**AN_INIT, **fields}]


_FIELDS: list[tuple[str, Any, Any, str]] = [
    ("serviceAccountName", "trainer", "", "at least 1 chars"),
    ("schedulerName", "volcano", "", "at least 1 chars"),
    ("terminationGracePeriodSeconds", 1, 0, "greater than or equal to 1"),
    ("terminationGracePeriodSeconds", 3600, 3601, "less than or equal to 3600"),
    ("env", [{"name": "A"}], [{"name": "AWS_CA_BUNDLE", "value": "/ca"}], "spec.storage"),
    ("env", from_secret(), from_secret(configMapKeyRef={"name": "a", "key": "b"}), "must have one of secretKeyRef"),
    ("env", from_secret(), [{"name": "A", "valueFrom": {}}], "must have one of secretKeyRef"),
    (
        "env",
        [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
        [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}],
        "must have one of value and valueFrom at most",
    ),
    (
        "env",
        [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b", "optional": True}}}],
        [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a"}}}],
        "key: Required value",
    ),
    (
        "env",
        from_secret(),
        [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
        "unknown field",
    ),
    ("envFrom", [{"prefix": "A_", "secretRef": {"name": "a"}}], [{}], "must have one of secretRef and configMapRef"),
    (
        "envFrom",
        [{"configMapRef": {"name": "a", "optional": True}}],
        [{"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}}],
        "must have one of secretRef and configMapRef",
    ),
    ("envFrom", [{"secretRef": {"name": "a"}}] * 8, [{"secretRef": {"name": "a"}}] * 9, "at most 8 items"),
    ("volumes", volume(emptyDir={"medium": "Memory", "sizeLimit": "1Gi"}), volume(), "must have one of persistent"),
    ("volumes", volume(persistentVolumeClaim={"claimName": "a"}), volume(persistentVolumeClaim={}), "claimName: Req"),
    ("volumes", volume(configMap={"name": "a"}), volume(configMap={"name": "a"}, emptyDir={}), "must have one of"),
    ("volumes", volume(secret={"secretName": "a"}), volume(hostPath={"path": "/"}), "unknown field"),
    ("volumes", volume(emptyDir={}), volume(emptyDir={"medium": "HugePages"}), "Unsupported value"),
    ("volumes", volume(emptyDir={"sizeLimit": 1}), volume(emptyDir={"sizeLimit": "much"}), "should match"),
    (
        "volumes",
        volume(csi={"driver": "secrets-store.csi.k8s.io", "readOnly": True, "volumeAttributes": {"a": "b"}}),
        volume(csi={"readOnly": True}),
        "driver: Required value",
    ),
    (
        "volumes",
        volume(secret={"secretName": "a", "defaultMode": 288, "items": [{"key": "k", "path": "p", "mode": 256}]}),
        volume(secret={"secretName": "a", "defaultMode": 512}),
        "less than or equal to 511",
    ),
    ("volumes", projected(secret={"name": "a"}), projected(), "must have one of configMap, secret and service"),
    ("volumes", projected(configMap={"name": "a", "optional": True}), projected(configMap={}), "name: Required value"),
    (
        "volumes",
        projected(serviceAccountToken={"audience": "sts.amazonaws.com", "path": "token"}),
        projected(serviceAccountToken={"audience": "trainingrun.badgerdoc.dev/a/b/c/train/1", "path": "token"}),
        "are the operator's",
    ),
    (
        "volumes",
        projected(serviceAccountToken={"audience": "a", "path": "token", "expirationSeconds": 600}),
        projected(serviceAccountToken={"path": "token"}),
        "audience: Required value",
    ),
    ("volumes", claimed(storageClassName="fast"), claimed(accessModes=["Sometimes"]), "Unsupported value"),
    ("volumes", claimed(volumeMode="Filesystem"), claimed(volumeMode="Block"), "Unsupported value"),
    ("volumes", [{"name": "ca", "emptyDir": {}}], [{"name": "ca-bundle", "emptyDir": {}}], "are the operator's"),
    ("volumes", volume(emptyDir={}), [{"name": "work", "emptyDir": {}}], "are the operator's"),
    ("volumes", volume(emptyDir={}), [{"name": "My_Volume", "emptyDir": {}}], "must be lower-case letters"),
    ("volumes", [A_VOLUME], [A_VOLUME] * 2, "Duplicate value"),
    (
        "volumes",
        [{"name": f"v{n}", "emptyDir": {}} for n in range(16)],
        [{"name": f"v{n}", "emptyDir": {}} for n in range(17)],
        "at most 16 items",
    ),
    ("volumeMounts", [], [A_MOUNT], "each of volumeMounts names one of the volumes"),
    ("initContainers", _init(), _init(volumeMounts=[A_MOUNT]), "initContainers' volumeMounts names one of"),
    ("initContainers", _init(args=["a $(B)"], workingDir="/"), [{"name": "fetch"}], "image: Required value"),
    ("initContainers", _init(), _init(name="worker"), "the container worker is the operator's"),
    ("initContainers", _init(), _init(image="a b"), "without spaces"),
    ("initContainers", _init(), _init(securityContext={"privileged": True}), "unknown field"),
    ("initContainers", _init(), _init(restartPolicy="Always"), "unknown field"),
    ("initContainers", _init(command=["a"] * 32), _init(command=["a"] * 33), "at most 32 items"),
    ("initContainers", _init(env=[{"name": "AWS_ACCESS_KEY_ID"}]), _init(env=[{"name": "1"}]), "letters, digits"),
    ("initContainers", _init(imagePullPolicy="Never"), _init(imagePullPolicy="Maybe"), "Unsupported value"),
    (
        "initContainers",
        [{**AN_INIT, "name": f"i{n}"} for n in range(4)],
        [{**AN_INIT, "name": f"i{n}"} for n in range(5)],
        "at most 4 items",
    ),
    ("resourceClaims", [A_CLAIM], [{"name": "gpu"}], "must have one of resourceClaimName and"),
    (
        "resourceClaims",
        [{"name": "gpu", "resourceClaimName": "mine"}],
        [{**A_CLAIM, "resourceClaimName": "mine"}],
        "must have one of resourceClaimName and",
    ),
    (
        "resourceClaims",
        [{**A_CLAIM, "name": f"c{n}"} for n in range(8)],
        [{**A_CLAIM, "name": f"c{n}"} for n in range(9)],
        "at most 8 items",
    ),
    ("resources", {"claims": []}, {"claims": [{"name": "gpu"}]}, "names one of the resourceClaims"),
    ("affinity", node_affinity(A_TERM), node_affinity({"matchExpressions": [{"key": "a"}]}), "operator: Required"),
    (
        "affinity",
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}},
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}},
        "topologyKey: Required value",
    ),
    (
        "affinity",
        {
            "podAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {"matchLabels": {}}}}
                ]
            }
        },
        {"hostAffinity": {}},
        "unknown field",
    ),
    (
        "affinity",
        {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": A_TERM}]}},
        {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 101, "preference": A_TERM}]}},
        "less than or equal to 100",
    ),
    (
        "topologySpreadConstraints",
        [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "matchLabelKeys": ["a"]}],
        [{"maxSkew": 1, "topologyKey": "zone"}],
        "whenUnsatisfiable: Required value",
    ),
    (
        "topologySpreadConstraints",
        [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "nodeTaintsPolicy": "Honor"}],
        [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "greater than or equal to 1",
    ),
    (
        "annotations",
        {"note": "a"},
        {"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"},
        "AppArmor's part too, can't be changed",
    ),
    ("securityContext", None, {"runAsUser": 0}, "unknown field"),
    ("hostNetwork", None, True, "unknown field"),
]
# Where a volume is mounted.
_PATHS = [
    ("/data/cache", "data", "must be an absolute path"),
    ("/home/trainingrun/.cache", "/home/trainingrun", "are the operator's"),
    ("/work/data", "/work", "are the operator's"),
    ("/tmp/a", "/tmp", "are the operator's"),
    ("/dev/shm2", "/dev/shm", "are the operator's"),
    ("/var/run/secrets/mine", "/var/run/secrets/trainingrun", "are the operator's"),
    ("/run/secrets/mine", "/run/secrets/trainingrun/x", "are the operator's"),
    ("/etc/training", "/etc/trainingrun/ca", "are the operator's"),
    ("/a.b/..c", "/data/../work", "must be an absolute path"),
    ("/a", "/", "must be an absolute path"),
    ("/a", "/a/", "must be an absolute path"),
    ("/a", "/a:b", "must be an absolute path"),
    ("/a", "//work", "must be an absolute path"),
]
_GPU_LIMIT = {"limits": {"nvidia.com/gpu": 1}}
_TRAINING = {"modelOutput": "s3://tables/m.pth"}
POD_TEMPLATE_RULES = [
    *(Rule(f"training.podTemplate.{field}", accepted, rejected, says) for field, accepted, rejected, says in _FIELDS),
    *(Rule("training.podTemplate", mounted(good), mounted(bad), says) for good, bad, says in _PATHS),
    Rule(
        "training.podTemplate",
        {"resourceClaims": [A_CLAIM], "resources": {"claims": [{"name": "gpu", "request": "one"}]}},
        {"resourceClaims": [A_CLAIM], "resources": {"claims": [{"name": "nic"}]}},
        "names one of the resourceClaims",
    ),
    Rule(
        "training.podTemplate",
        {"volumes": [A_VOLUME], "initContainers": _init(volumeMounts=[A_MOUNT])},
        {"volumes": [A_VOLUME], "initContainers": _init(volumeMounts=[{**A_MOUNT, "name": "work"}])},
        "names one of",
    ),
    *(
        Rule(f"{stage}.podTemplate.initContainers", _init(resources={}), _init(resources=_GPU_LIMIT), "hold a GPU")
        for stage in ("preprocess", "training")
    ),
    Rule("gpu.resourceClaim", None, "gpu", "gpu.resourceClaim names one of training.podTemplate.resourceClaims"),
    Rule("storage.caBundleConfigMap", {"name": "ca"}, {"key": "ca.crt"}, "name: Required value"),
    Rule("storage.caBundleConfigMap", {"name": "ca"}, {"name": ""}, "at least 1 chars"),
    Rule("storage.caBundleConfigMap", {"name": "ca", "key": "a.pem"}, {"name": "ca", "key": "../a"}, "name of a file"),
]
