"""A TrainingRun's status as typed data: phase, conditions, results, progress."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from trainingrun_operator.core.resource.base import Model, Time

# The newest ones are kept.
MAX_EXCLUDED_NODES = 4
# As many as a training has pods at a time.
MAX_DISRUPTED_PODS = 16
# The newest ones are kept.
MAX_JOBS = 5
# The progress field manager's; the operator's own never sends these, since an apply takes over what it sends.
PROGRESS_FIELDS = ("progress", "resumePoints", "bestCheckpoint")


class Stage(enum.StrEnum):
    """A stage is a Job; DONE stands in the status once both have succeeded."""

    PREPROCESS = "preprocess"
    TRAIN = "train"
    DONE = "done"


class Phase(enum.StrEnum):
    """A one-word summary for people; programs read the conditions."""

    PENDING = "Pending"
    PREPROCESSING = "Preprocessing"
    AWAITING_REVIEW = "AwaitingReview"
    QUEUED = "Queued"
    TRAINING = "Training"
    RETRYING = "Retrying"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def is_terminal(self) -> bool:
        """Latched: a run in this phase never changes again, whatever happens to its Jobs and pods."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)

    @property
    def is_paused(self) -> bool:
        """The run waits for people: such time is none of spec.deadlines.active."""
        return self in (Phase.SUSPENDED, Phase.AWAITING_REVIEW)


class ConditionType(enum.StrEnum):
    """All of them are set at the first visit and stay."""

    SUCCEEDED = "Succeeded"
    DATASET_READY = "DatasetReady"
    BASE_WEIGHTS = "BaseWeights"
    TRAINED = "Trained"
    SUSPENDED = "Suspended"
    STALLED = "Stalled"
    REPORTING = "Reporting"
    COMPLETE = "Complete"
    FAILED = "Failed"


class ConditionStatus(enum.StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(enum.StrEnum):
    """Reasons of conditions beside the failure classes of `core/failures`."""

    ACCEPTED = "Accepted"
    STARTING = "Starting"
    PREPROCESSING = "Preprocessing"
    TRAINING = "Training"
    WAITING_FOR_GPU = "WaitingForGPU"
    WAITING_FOR_NODE = "WaitingForNode"
    WAITING_FOR_POD = "WaitingForPod"
    WAITING_FOR_QUOTA = "WaitingForQuota"
    WAITING_FOR_RUN = "WaitingForRun"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    AWAITING_REVIEW = "AwaitingReview"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    RETRYING = "Retrying"
    RETRY_LIMIT_REACHED = "RetryLimitReached"
    SUSPENDED = "Suspended"
    SUSPENDED_BY_OTHERS = "SuspendedByOthers"
    NOT_SUSPENDED = "NotSuspended"
    JOB_REJECTED = "JobRejected"
    JOB_CONFLICT = "JobConflict"
    JOB_DELETED = "JobDeleted"
    COMPLETED_ELSEWHERE = "CompletedElsewhere"
    NO_IMAGE = "NoImage"
    POD_NOT_CREATED = "PodNotCreated"
    NODE_UNREACHABLE = "NodeUnreachable"
    DATASET_PUBLISHED = "DatasetPublished"
    MODEL_PUBLISHED = "ModelPublished"
    WEIGHTS_LOADED = "Loaded"
    RANDOM_WEIGHTS = "RandomWeights"
    NOT_YET = "NotYet"
    PROGRESSING = "Progressing"
    FINISHED = "Finished"
    REPORTS_ARRIVE = "ReportsArrive"
    NO_REPORT_YET = "NoReportYet"
    REPORTS_STOPPED = "ReportsStopped"
    NOT_RUNNING = "NotRunning"


class Condition(Model):
    type: str
    status: ConditionStatus
    reason: str
    message: str
    last_transition_time: Time
    observed_generation: int | None = None


class Attempts(Model):
    total: int = 0
    counted: int = 0
    disrupted: int = 0
    preprocess: int = 0
    train: int = 0
    # The newest attempt of the stage, once another one is to take the place of its suspended Job.
    replaced: int | None = None

    def of(self, stage: Stage) -> int:
        """Number of the stage's newest attempt; 0 before the first."""
        return self.preprocess if stage is Stage.PREPROCESS else self.train

    def with_new(self, stage: Stage, attempt: int) -> Attempts:
        """After the start of an attempt."""
        return self.model_copy(update={str(stage): attempt, "total": self.total + 1, "replaced": None})

    def with_replaced(self, attempt: int) -> Attempts:
        """With an attempt that is over without a failure."""
        return self.model_copy(update={"replaced": attempt})

    def with_disruptions(self, number: int) -> Attempts:
        """After so many more failures that do not count against spec.retry.limit."""
        return self.model_copy(update={"disrupted": self.disrupted + number})

    def with_counted(self, counted: int) -> Attempts:
        """With so many failures in all that count against spec.retry.limit."""
        return self.model_copy(update={"counted": counted})


class JobRecord(Model):
    """The Job of an attempt, by the name that it was made with."""

    name: str
    stage: Stage
    attempt: int
    # Succeeded or a failure class; empty until its end is known.
    result: str = ""


class Usage(Model):
    """What a run has cost. GPU-seconds are GPUs times seconds."""

    gpu_seconds: int = 0
    waiting_seconds: int = 0
    lost_seconds: int = 0
    # All before that is counted, and nothing after it.
    counted_until: Time


class LastFailure(Model):
    stage: Stage
    attempt: int
    failure_class: str = Field(alias="class")
    reason: str
    message: str
    exit_code: int | None = None
    node: str | None = None
    time: Time
    consecutive: int = 1
    iteration: int = 0


Count = Annotated[int, Field(ge=0, le=2**53)]  # any more would make the whole status invalid


class DocumentCounts(Model):
    total: Count = 0
    prepared: Count = 0
    quarantined: Count = 0


class ImageCounts(Model):
    train: Count = 0
    val: Count = 0
    test: Count = 0


class PublishedDataset(Model):
    """`dataset` of a preprocess termination message, and of the status."""

    digest: str = Field(min_length=1, max_length=80)
    # The spec's bucket and folder have no room for more.
    manifest: str = Field(min_length=1, max_length=400)
    # A page for people to look the dataset over before they trust a model that was trained on it.
    report: str | None = Field(None, min_length=1, max_length=700)
    cache_hit: bool = False
    documents: DocumentCounts = DocumentCounts()
    images: ImageCounts = ImageCounts()
    annotations: dict[Annotated[str, Field(max_length=32)], Count] = Field({}, max_length=8)


class Metric(Model):
    name: str = Field(min_length=1, max_length=64)
    value: str = Field(max_length=32)


class PublishedModel(Model):
    """The model that training published."""

    # As long as spec.training.modelOutput may be.
    uri: str = Field(min_length=1, max_length=512)
    sha256: str = Field(min_length=1, max_length=80)
    size_bytes: Count
    manifest: str = Field(min_length=1, max_length=540)
    # Of the published weights.
    epoch: Count | None = None
    metrics: tuple[Metric, ...] = Field((), max_length=16)


class ResumePoint(Model):
    """A checkpoint that training can go on from."""

    epoch: Count
    iteration: Count = 0
    uri: str = Field(min_length=1, max_length=700)
    sha256: str | None = Field(None, max_length=64)
    time: Time | None = None
    metric: str | None = Field(None, max_length=32)


def _cut(most: int) -> AfterValidator:
    """Words of others, as far as the status has room for them."""
    return AfterValidator(lambda text: text[:most])


class Device(Model):
    """What a training runs on: so many GPUs over all nodes, or the CPU."""

    name: Annotated[str, Field(min_length=1), _cut(64)]
    count: int = Field(ge=1, le=4096)
    # Of one GPU.
    memory_bytes: Count | None = None

    def __str__(self) -> str:
        """For people, like `2 x NVIDIA L4`."""
        return self.name if self.name == "CPU" else f"{self.count} x {self.name}"


class BaseWeights(Model):
    """Whether a training began with weights that had learned something, in the worker's words."""

    loaded: bool
    message: Annotated[str, _cut(256)]


class Progress(Model):
    stage: Stage
    attempt: int
    sequence: int
    pod_uid: str | None = Field(None, alias="podUID")
    percent: int | None = None
    percentage: str | None = None
    epoch: int | None = None
    total_epochs: int | None = None
    epochs: str | None = None
    iteration: int | None = None
    total_iterations: int | None = None
    eta_seconds: int | None = None
    eta: str | None = None
    throughput: str | None = None
    metrics: tuple[Metric, ...] = ()
    device: Device | None = None
    base_weights: BaseWeights | None = None
    last_update_time: Time | None = None


class Status(Model):
    observed_generation: int | None = None
    phase: Phase | None = None
    stage: Stage | None = None
    image: str | None = None
    # Of the preprocess Job, where it has another one.
    preprocess_image: str | None = None
    gpu: str | None = None
    node: str | None = None
    # The Kueue queue of the current Job.
    queue: str | None = None
    conditions: tuple[Condition, ...] = ()
    start_time: Time | None = None
    # Since when the run is paused, after its start, and for how long it was before.
    paused_since: Time | None = None
    paused_seconds: Count | None = None
    completion_time: Time | None = None
    attempts: Attempts = Attempts()
    usage: Usage | None = None
    # Of the newest attempts, oldest first.
    jobs: tuple[JobRecord, ...] = Field((), max_length=MAX_JOBS)
    last_failure: LastFailure | None = None
    next_retry_time: Time | None = None
    # Nodes that failed the run, newest last: its next pods avoid them.
    excluded_nodes: tuple[str, ...] = Field((), max_length=MAX_EXCLUDED_NODES)
    # Hashes of the UIDs of the current Job's pods whose disruption is counted, newest last.
    disrupted_pods: tuple[str, ...] = Field((), max_length=MAX_DISRUPTED_PODS)
    # What the stage's next pods ask for, where one was killed for want of memory.
    memory: str | None = None
    # What the spec said then: `memory` holds as long as it still says so.
    memory_asked: str | None = None
    dataset: PublishedDataset | None = None
    progress: Progress | None = None
    resume_points: tuple[ResumePoint, ...] = ()
    best_checkpoint: ResumePoint | None = None
    model: PublishedModel | None = None
    # The page of the training, for people.
    report: str | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the run has succeeded or failed for good."""
        return self.phase is not None and self.phase.is_terminal

    @property
    def current_stage(self) -> Stage:
        """The stage that is worked on: training, once preprocess is done. What it published may not be known."""
        begun = self.dataset is not None or self.stage in (Stage.TRAIN, Stage.DONE)
        return Stage.TRAIN if begun else Stage.PREPROCESS

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of that type, wherever it stands in the list."""
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def differs(self, other: Status, *, but: Collection[str] = ()) -> bool:
        """Whether any field does but those, and the progress manager's."""
        return any(getattr(self, name) != getattr(other, name) for name in _OWN_FIELDS if name not in but)

    def without_progress(self) -> dict[str, Any]:
        """What the operator's own field manager applies: everything but the progress manager's fields."""
        return {name: value for name, value in self.to_json().items() if name not in PROGRESS_FIELDS}


_OWN_FIELDS = tuple(name for name, field in Status.model_fields.items() if field.alias not in PROGRESS_FIELDS)
