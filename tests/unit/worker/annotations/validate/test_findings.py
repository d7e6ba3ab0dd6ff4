"""What a check says of all documents."""

import pytest

from training.annotations.validate.command import check_findings
from training.annotations.validate.findings import (
    MAX_FAULTS,
    CheckedDocument,
    Counts,
    Fault,
    FaultList,
    Findings,
)
from training.documents.quarantine import QuarantinedDocument, Reason
from training.errors import DataError

GOOD = CheckedDocument("good", annotation_format="badgerdoc", counts=Counts(2, 3, 1200))
BAD = CheckedDocument(
    "bad", (Fault(Reason.SCHEMA, "pages.0.page_num: Field required"),), 1200, "platform", Counts(1, 1, 4)
)
ALONE = CheckedDocument.quarantined(QuarantinedDocument("alone", Reason.NO_PDF, "json/alone.json has no PDF."))


def test_faults_come_one_a_line_sorted_by_document_then_the_counts() -> None:
    assert Findings.of([GOOD, BAD, ALONE], ["json/notes.txt"]).lines() == [
        "json/notes.txt: ignored: it is neither pdfs/<name>.pdf nor json/<name>.json",
        "alone: no_pdf: json/alone.json has no PDF.",
        "bad: schema: pages.0.page_num: Field required",
        "bad: and 1,200 more",
        "3 documents (1 in the badgerdoc format, 1 in the platform format): 3 pages, 4 tables, 1,204 cells",
        "1,202 faults in 2 documents",
    ]


def test_programs_get_the_same() -> None:
    assert Findings.of([GOOD, BAD, ALONE], ["json/notes.txt"]).to_json() == {
        "documents": 3,
        "faulty": 2,
        "pages": 3,
        "tables": 4,
        "cells": 1204,
        "formats": {"badgerdoc": 1, "platform": 1},
        "faults": [
            {"document": "alone", "reason": "no_pdf", "message": "json/alone.json has no PDF."},
            {"document": "bad", "reason": "schema", "message": "pages.0.page_num: Field required"},
        ],
        "more": {"bad": 1200},
        "ignored": ["json/notes.txt"],
    }


def test_no_faults_are_said_to_be_none() -> None:
    assert Findings.of([GOOD], []).lines()[-1] == "no faults"


def test_of_a_document_with_many_faults_the_first_are_kept_and_the_others_counted() -> None:
    found = FaultList()
    for number in range(MAX_FAULTS + 7):
        found.add(Fault(Reason.SCHEMA, f"pages.{number}"))
    assert [fault.message for fault in found.first] == [f"pages.{number}" for number in range(MAX_FAULTS)]
    assert found.more == 7


def test_the_exit_code_tells_faults_from_none() -> None:
    check_findings(Findings.of([GOOD], ["json/notes.txt"]))
    with pytest.raises(DataError, match="1 of 2 documents have faults"):
        check_findings(Findings.of([GOOD, BAD], []))
    with pytest.raises(DataError, match="There is no document"):
        check_findings(Findings.of([], []))
