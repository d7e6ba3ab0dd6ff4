"""The command lines of the two stages, as the worker takes them. Golden-file tested with the Jobs."""

from __future__ import annotations

from trainingrun_operator.core.resource.run import Run

PASSWORDS_DIR = "/var/run/secrets/trainingrun-passwords"
PASSWORDS_KEY = "passwords.yaml"
CONFIG_DIR = "/etc/trainingrun/config"


def checkpoint_prefix(run: Run) -> str:
    """Where the run's checkpoints go: beside the model, and apart from those of a deleted run of the same name."""
    bucket, _, key = run.spec.training.model_output.removeprefix("s3://").partition("/")
    folder = key.rpartition("/")[0]
    return f"s3://{bucket}/{folder + '/' if folder else ''}checkpoints/{run.name}-{run.uid}/"


def preprocess_command(run: Run) -> list[str]:
    """The same for every pod of a sharded Job: Kubernetes tells each which one it is (JOB_COMPLETION_INDEX)."""
    dataset, split = run.spec.dataset, run.spec.dataset.split
    command = ["python3", "-m", "training.preprocess"]
    command += ["--working_dir", "/work/preprocess", "--s3_bucket", run.spec.storage.bucket]
    command += ["--s3_source_folder", dataset.source_folder, "--s3_target_folder", dataset.target_folder]
    command += ["--verbose=True", "--format", dataset.format, "--coordinates", dataset.coordinates]
    command += ["--frame", dataset.frame, "--dpi", str(dataset.dpi), "--image_format", dataset.image_format]
    command += ["--split", f"{split.train},{split.val},{split.test}", "--seed", str(split.seed)]
    command += ["--max_failed_documents", str(dataset.max_failed_documents)]
    if dataset.passwords_secret:
        command += ["--passwords", f"{PASSWORDS_DIR}/{PASSWORDS_KEY}"]
    if dataset.parallelism > 1:
        command += ["--shards", str(dataset.parallelism)]
    return [literal(part) for part in command]


def train_command(run: Run, resume_from: str) -> list[str]:
    """`resume_from`: `auto`, or the `s3://` address of the checkpoint that this attempt goes on from."""
    training = run.spec.training
    command = ["python3", "-m", "training.train"]
    command += [f"s3://{run.spec.storage.bucket}/{run.spec.dataset.target_folder}/ttv", "/work/train"]
    config = f"{CONFIG_DIR}/{training.config_map.key}" if training.config_map else training.config
    command += ["--config", config, "--num-epoch", str(training.epochs)]
    command += ["--device", training.device]
    if training.device == "cuda":
        # The worker refuses to begin with fewer: a GPU that can't be used is not missed in silence.
        command += ["--processes", str(training.gpus_per_node)]
    if training.amp != "none":
        command += ["--amp", training.amp]
    command += ["--publish", training.publish]
    command += ["--model_output", training.model_output, "--demo", str(training.demo)]
    if training.load_from:
        command += ["--load-from", training.load_from]
    command += ["--resume-from", resume_from, "--checkpoint-output", checkpoint_prefix(run)]
    checkpoints = run.spec.checkpoints
    command += ["--checkpoint-every-epochs", str(checkpoints.every_epochs)]
    command += ["--checkpoint-every-minutes", str(checkpoints.every_minutes)]
    command += ["--keep-last", str(checkpoints.keep_last), "--keep-best", str(checkpoints.keep_best)]
    if training.seed is not None:
        command += ["--seed", str(training.seed)]
    if training.config_options:
        command += ["--cfg-options", *training.config_options]
    return [literal(part) for part in command]


def literal(text: str) -> str:
    """Kubernetes expands $(NAME) in a container's command and in its variables; $$ keeps a dollar sign what it is."""
    return text.replace("$(", "$$(")
