"""What follows where the API server does not take an object, in words that name the spec."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.operator.world import START, a_run
from trainingrun_operator.core.decisions.rejection import explain, rejected, spec_field
from trainingrun_operator.core.plan import CreateError
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import ConditionType, Phase, Stage

CONTAINER = "spec.template.spec.containers[0]"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"{CONTAINER}.resources.requests", "spec.training.podTemplate.resources.requests"),
        (f"{CONTAINER}.resources.limits[foo bar]", "spec.training.podTemplate.resources.limits[foo bar]"),
        (f"{CONTAINER}.env[9].valueFrom.secretKeyRef.name", "spec.storage.credentialsSecret"),
        (f"{CONTAINER}.env[0].name", "spec.training.podTemplate.env"),
        (f"{CONTAINER}.image", "spec.image"),
        ("metadata.labels", "spec.training.podTemplate.labels"),
        ("spec.template.labels", "spec.training.podTemplate.labels"),
        ("spec.template.metadata.labels[job-name]", "spec.training.podTemplate.labels[job-name]"),
        ("spec.template.metadata.labels[{}]", "spec.training.podTemplate.labels[{}]"),
        ("spec.template.annotations", "spec.training.podTemplate.annotations"),
        ("spec.template.spec.nodeSelector", "spec.training.podTemplate.nodeSelector"),
        ("spec.template.spec.tolerations[0].operator", "spec.training.podTemplate.tolerations[0].operator"),
        ("spec.template.spec.serviceAccountName", "spec.serviceAccountName"),
        ("spec.template.spec.imagePullSecrets[1].name", "spec.imagePullSecrets[1].name"),
        ("spec.template.spec.volumes[5].secret.secretName", "spec.dataset.passwordsSecret"),
        ("spec.template.spec.volumes[5].configMap.name", "spec.training.configMap"),
        ("metadata.name", "metadata.name"),
        ("spec.completions", "spec.completions"),
    ],
)
def test_a_path_of_the_job_is_told_as_the_spec_field_that_it_is_made_of(path: str, field: str) -> None:
    assert spec_field(path, Stage.TRAIN) == field
    assert spec_field(path, Stage.PREPROCESS) == field.replace("spec.training.podT", "spec.preprocess.podT")


def refusal(*causes: tuple[str, str], permanent: bool = True, times_before: int = 0) -> CreateError:
    message = 'Job.batch "j" is invalid: its own words'
    return CreateError(
        name="j", stage=Stage.TRAIN, message=message, permanent=permanent, causes=causes, times_before=times_before
    )


def test_what_a_job_and_its_pods_share_is_told_once() -> None:
    words = 'Invalid value: "a b": must have no space'
    error = refusal(("metadata.labels", words), ("spec.template.labels", words))
    assert explain(error) == f"spec.training.podTemplate.labels: {words}"


def test_a_whole_map_is_left_out() -> None:
    error = refusal(("spec.template.metadata.labels[job-name]", 'Invalid value: {"a":"b","c":"{}: d"}: must be "j"'))
    assert explain(error) == 'spec.training.podTemplate.labels[job-name]: must be "j"'


def test_without_a_field_the_api_servers_sentence_is_told() -> None:
    assert explain(refusal()) == 'Job.batch "j" is invalid: its own words'


@pytest.mark.parametrize(
    ("permanent", "started", "phase", "stalled", "again_s"),
    [
        (True, False, Phase.PENDING, "True", None),
        (True, True, Phase.FAILED, "False", None),
        (False, False, Phase.PENDING, "True", 30),
        (False, True, Phase.PENDING, "True", 30),
    ],
)
def test_only_a_run_that_has_started_fails_of_an_invalid_object(
    permanent: bool, started: bool, phase: Phase, stalled: str, again_s: int | None
) -> None:
    body = a_run()
    if started:
        body["status"] = {"startTime": START.isoformat(), "stage": "train"}
    plan = rejected(Run.parse(body), refusal(permanent=permanent), START)
    assert plan.status is not None
    assert plan.status.phase is phase
    assert (plan.status.start_time is not None) is started
    condition = plan.status.condition(ConditionType.STALLED)
    assert condition is not None
    assert condition.status == stalled
    assert plan.requeue_after == (None if again_s is None else timedelta(seconds=again_s))
    assert [event.reason for event in plan.events] == ["JobRejected"]


@pytest.mark.parametrize(("times_before", "again_s"), [(0, 30), (1, 60), (4, 480), (5, 600), (10_000, 600)])
def test_what_is_refused_for_now_is_tried_ever_less_often(times_before: int, again_s: int) -> None:
    plan = rejected(Run.parse(a_run()), refusal(permanent=False, times_before=times_before), START)
    assert plan.requeue_after == timedelta(seconds=again_s)
