"""A namespace with documents in S3, and the TrainingRuns that tests apply in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BUCKET = "e2e"


@dataclass(frozen=True)
class Workspace:
    """A namespace that enforces Pod Security `restricted`, with the Secret and the documents that runs need."""

    namespace: str
    endpoint: str

    def run(
        self, name: str, *, source: str = "documents", epochs: int = 2, target: str | None = None
    ) -> dict[str, Any]:
        """A TrainingRun of the tiny config, on the CPU: the local cluster's GPUs are stand-ins."""
        prefix = self.namespace
        small = {"requests": {"cpu": "200m", "memory": "512Mi"}, "limits": {"memory": "6Gi"}}
        return {
            "apiVersion": "training.badgerdoc.dev/v1alpha1",
            "kind": "TrainingRun",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "storage": {
                    "bucket": BUCKET,
                    "endpoint": self.endpoint,
                    "region": "us-east-1",
                    "credentialsSecret": "s3-credentials",
                    "sse": {"type": "AES256"},
                },
                "dataset": {"sourceFolder": f"{prefix}/{source}", "targetFolder": target or f"{prefix}/dataset"},
                "training": {
                    "config": "config_3_cls_tiny.py",
                    "device": "cpu",
                    "epochs": epochs,
                    "modelOutput": f"s3://{BUCKET}/{prefix}/{name}/model.pth",
                    "podTemplate": {"resources": small},
                },
                "preprocess": {"podTemplate": {"resources": small}},
            },
        }
