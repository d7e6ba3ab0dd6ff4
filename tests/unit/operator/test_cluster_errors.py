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
        (403, A_POLICY, RefusedError),
        (413, {}, RefusedError),
        (401, {}, TransientError),
        (429, {}, TransientError),
        (500, {}, TransientError),
        (503, A_FIELD, TransientError),
        (404, {}, GoneError),
        (410, {}, GoneError),
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
