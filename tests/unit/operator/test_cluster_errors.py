"""What the API server's answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainingrun_operator.cluster import error_of
from trainingrun_operator.core.errors import (
    ClusterError,
    ConflictError,
    GoneError,
    InvalidError,
    RefusedError,
    TransientError,
)

A_FIELD = {"details": {"causes": [{"reason": "FieldValueInvalid", "message": "m", "field": "spec.template"}]}}
# A ValidatingAdmissionPolicy answers like this; 422 is what it takes where its author names no other reason.
A_POLICY = {"details": {"name": "j", "causes": [{"message": "denied request: no GPUs on Fridays"}]}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, A_FIELD, InvalidError),
        (422, A_POLICY, RefusedError),
        (422, {}, RefusedError),
        (400, {}, RefusedError),
        (400, {"reason": "BadRequest"}, InvalidError),
        (403, A_POLICY, RefusedError),
        (413, {}, RefusedError),
        (401, {}, TransientError),
        (429, {}, TransientError),
        (500, {}, TransientError),
        (503, A_FIELD, TransientError),
        (404, {}, TransientError),
        (410, {}, TransientError),
        (409, {}, ConflictError),
    ],
)
def test_an_answer_is_told_by_its_status_and_by_whether_it_names_a_field(
    status: int, body: dict[str, Any], kind: type[ClusterError]
) -> None:
    error = error_of(status, json.dumps({"message": "its own words", **body}).encode(), "POST /jobs")
    assert type(error) is kind
    assert str(error) == "its own words"


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"null"])
def test_an_answer_that_is_no_status_is_told_by_its_number(raw: bytes) -> None:
    assert str(error_of(502, raw, "POST /jobs")) == "POST /jobs: HTTP status 502"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"reason": "NotFound", "details": {"name": "tables", "kind": "jobs"}}, GoneError),
        ({"reason": "NotFound", "details": {"name": "another", "kind": "namespaces"}}, TransientError),
        ({"reason": "NotFound", "details": {}}, TransientError),
        ({"details": {"name": "tables"}}, TransientError),
    ],
)
def test_only_a_404_that_names_the_object_says_that_it_is_gone(body: dict[str, Any], kind: type[ClusterError]) -> None:
    error = error_of(404, json.dumps(body).encode(), "GET /jobs/tables", named="tables")
    assert type(error) is kind


def test_the_404_of_a_version_that_is_not_served_says_nothing_of_an_object() -> None:
    # Captured from kube-apiserver 1.34: no Status, whatever object is asked for.
    error = error_of(404, b"404 page not found\n", "GET /trainingruns/tables", named="tables")
    assert type(error) is TransientError


def test_an_invalid_object_tells_its_fields() -> None:
    error = error_of(422, json.dumps({"message": "its own words", **A_FIELD}).encode(), "POST /jobs")
    assert isinstance(error, InvalidError)
    assert error.causes == (("spec.template", "m"),)


@pytest.mark.parametrize(("status", "body"), [(422, A_FIELD), (400, {"reason": "BadRequest"})])
def test_what_a_webhook_refuses_is_not_invalid(status: int, body: dict[str, Any]) -> None:
    message = 'admission webhook "jobs.example" denied the request: not on Fridays'
    error = error_of(status, json.dumps({"message": message, **body}).encode(), "POST /jobs")
    assert type(error) is RefusedError
