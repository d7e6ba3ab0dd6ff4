"""The review between preprocess and training: `spec.review`."""

from __future__ import annotations

from trainingrun_operator.core.conditions.conditions import Summary
from trainingrun_operator.core.plan import Event
from trainingrun_operator.core.resource.run import Run
from trainingrun_operator.core.resource.status import Phase, PublishedDataset, Reason


def awaits_review(run: Run) -> bool:
    """Whether training must not begin before somebody approves the dataset."""
    return run.spec.review.required and not run.spec.review.approved


def awaiting_review(run: Run, dataset: PublishedDataset | None) -> Summary:
    """Of a run that waits for it: what to look at, and how to approve. The command comes first, so that it is whole.

    Args:
        dataset: None where it was made in another cluster.
    """
    folder = f"s3://{run.spec.storage.bucket}/{run.spec.dataset.target_folder}"
    report = dataset.report if dataset is not None else None
    approval = '{"spec":{"review":{"approved":true}}}'
    message = (
        f"to train: kubectl patch trainingrun {run.name} -n {run.namespace} --type merge -p '{approval}'; look at "
        f"{report or folder} and the drawn pages in {folder}/pdfs/<document>/draw_ann/ before"
    )
    return Summary(phase=Phase.AWAITING_REVIEW, reason=Reason.AWAITING_REVIEW, message=message)


def review_event(run: Run, summary: Summary) -> tuple[Event, ...]:
    """One when a run begins to wait."""
    if run.status.phase is Phase.AWAITING_REVIEW:
        return ()
    return (Event(reason=summary.reason, message=summary.message, key="awaiting-review"),)
