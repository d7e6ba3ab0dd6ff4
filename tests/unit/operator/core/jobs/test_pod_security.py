"""Whatever a podTemplate says, the pod satisfies Pod Security `restricted`, and what is the operator's stays so."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from tests.support.operator.pod_security import VOLUMES, violations
from tests.support.operator.world import DEFAULTS, a_run
from trainingrun_operator.core.jobs.job import build_job
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Stage

# What an object may hold that another CRD let through: the builder does not rest on this one's.
LOOSE: dict[str, Any] = {
    "securityContext": {"privileged": True, "runAsUser": 0, "capabilities": {"add": ["SYS_ADMIN"]}},
    "hostNetwork": True,
    "hostPID": True,
    "restartPolicy": "Always",
    "automountServiceAccountToken": True,
    "ports": [{"containerPort": 1, "hostPort": 1}],
}
NAMES = st.sampled_from(["a", "b", "work", "tmp", "progress-token", "worker"])
VARIABLE_NAMES = st.sampled_from(["A", "HOME", "TRAINING_RUN_UID", "AWS_ACCESS_KEY_ID", "AWS_CA_BUNDLE"])
LOOSENED = st.dictionaries(st.sampled_from(list(LOOSE)), st.none()).map(lambda keys: {key: LOOSE[key] for key in keys})
ANNOTATIONS = st.dictionaries(
    st.sampled_from(["note", "container.apparmor.security.beta.kubernetes.io/worker"]), st.just("unconfined")
)


def loosened(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(LOOSENED, st.fixed_dictionaries({}, optional=fields)).map(lambda both: {**both[0], **both[1]})


SOURCES = st.dictionaries(st.sampled_from([*VOLUMES, "hostPath", "nfs", "image"]), st.just({}), max_size=3)
VOLUME_LISTS = st.lists(st.tuples(NAMES, SOURCES).map(lambda both: {"name": both[0], **both[1]}), max_size=3)
MOUNTS = st.lists(st.fixed_dictionaries({"name": NAMES, "mountPath": st.sampled_from(["/a", "/work"])}), max_size=2)
ENVIRONMENTS = st.lists(
    st.fixed_dictionaries(
        {"name": VARIABLE_NAMES},
        optional={"value": st.sampled_from(["", "$(HOME)"]), "valueFrom": st.just({"secretKeyRef": {"name": "mine"}})},
    ),
    max_size=4,
)
INIT_CONTAINERS = st.lists(
    loosened(env=ENVIRONMENTS, volumeMounts=MOUNTS, command=st.just(["sh"])).map(
        lambda fields: {**fields, "name": "init", "image": "i"}
    ),
    max_size=2,
)
TEMPLATES = loosened(
    volumes=VOLUME_LISTS,
    volumeMounts=MOUNTS,
    env=ENVIRONMENTS,
    initContainers=INIT_CONTAINERS,
    annotations=ANNOTATIONS,
    labels=ANNOTATIONS,
    affinity=st.just({"nodeAffinity": {}}),
    serviceAccountName=st.just("a"),
    terminationGracePeriodSeconds=st.integers(1, 3600),
    resources=st.sampled_from([{}, {"limits": {"memory": "1Gi"}}, {"claims": [{"name": "gpu"}]}]),
)


@settings(deadline=None)
@given(stage=st.sampled_from([Stage.PREPROCESS, Stage.TRAIN]), template=TEMPLATES, claim=st.sampled_from([None, "gpu"]))
def test_every_pod_satisfies_restricted_whatever_its_template_says(
    stage: Stage, template: dict[str, Any], claim: str | None
) -> None:
    stages = {"preprocess": {"podTemplate": template}, "training": {"podTemplate": template, "nodes": 2}}
    run = Run.parse(a_run(**stages, gpu={"resourceClaim": claim}))
    pod = build_job(run, stage, 1, DEFAULTS)["spec"]["template"]
    assert violations(pod) == []
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert len(pod["spec"]["containers"]) == 1
    worker = pod["spec"]["containers"][0]
    kept = {"podTemplate": {"resources": template.get("resources", {})}}
    own = build_job(Run.parse(a_run(preprocess=kept, training={**kept, "nodes": 2})), stage, 1, DEFAULTS)
    own_pod = own["spec"]["template"]["spec"]
    own_worker = own_pod["containers"][0]
    assert worker["command"] == own_worker["command"]
    for held, mine, key in (
        (pod["spec"]["volumes"], own_pod["volumes"], "name"),
        (worker["volumeMounts"], own_worker["volumeMounts"], "mountPath"),
        (worker["env"], own_worker["env"], "name"),
    ):
        found = {each[key]: each for each in held}
        assert len(found) == len(held), "nothing is there twice"
        assert all(found[each[key]] == each for each in mine), "what is the operator's stays so"


def test_a_pod_that_breaks_the_standard_is_found_out() -> None:
    template = build_job(Run.parse(a_run()), Stage.TRAIN, 1, DEFAULTS)["spec"]["template"]
    template["spec"]["volumes"].append({"name": "root", "hostPath": {"path": "/"}})
    template["spec"]["containers"][0]["securityContext"] = {}
    template["spec"]["hostNetwork"] = True
    assert len(violations(template)) == 3
