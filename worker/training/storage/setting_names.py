"""What people call the settings of S3: variables on a laptop, fields of their TrainingRun in its pods.

Every message that names one takes it from here.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class SettingNames:
    """Each setting as whoever reads a message has set it."""

    endpoint: str
    region: str
    ca_bundle: str
    sse_type: str
    kms_key: str
    access_key: str
    secret_key: str
    session_token: str
    credentials: str  # both keys together


_VARIABLES = SettingNames(
    endpoint="AWS_S3_ENDPOINT",
    region="AWS_REGION",
    ca_bundle="AWS_CA_BUNDLE",
    sse_type="AWS_S3_SSE_TYPE",
    kms_key="AWS_S3_SSE_KMS_KEY_ID",
    access_key="AWS_ACCESS_KEY_ID",
    secret_key="AWS_SECRET_ACCESS_KEY",  # noqa: S106  (a name, no secret)
    session_token="AWS_SESSION_TOKEN",  # noqa: S106
    credentials="AWS_ACCESS_KEY_ID and its secret",
)
_SECRET = "of the Secret in spec.storage.credentialsSecret"  # noqa: S105
_FIELDS = SettingNames(
    endpoint="spec.storage.endpoint",
    region="spec.storage.region",
    ca_bundle="spec.storage.caBundleConfigMap",
    sse_type="spec.storage.sse.type",
    kms_key="spec.storage.sse.kmsKeyId",
    access_key=f"AWS_ACCESS_KEY_ID {_SECRET}",
    secret_key=f"AWS_SECRET_ACCESS_KEY {_SECRET}",
    session_token=f"AWS_SESSION_TOKEN {_SECRET}",
    credentials="spec.storage.credentialsSecret",
)


def setting_names() -> SettingNames:
    """The names for this process: the operator tells the workers of a TrainingRun its name."""
    return _FIELDS if os.environ.get("TRAINING_RUN_NAME") else _VARIABLES
