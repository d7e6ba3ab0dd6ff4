"""Messages name a setting of S3 as their reader has set it: by a variable, or by a field of the TrainingRun."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from tests.support.certificates import self_signed
from training.errors import ConfigError
from training.storage.s3 import S3Settings, make_client
from training.storage.s3_errors import _CODES, Place, typed_error

PLACE = Place("tables", "a.json", "https://s3.example")
ERRORS: list[Exception] = [
    *(ClientError({"Error": {"Code": code}}, "PutObject") for code in [*_CODES, "KMS.DisabledException"]),
    boto.NoCredentialsError(),
    boto.NoRegionError(),
    boto.SSLError(endpoint_url="https://s3.example", error="CERTIFICATE_VERIFY_FAILED"),
]
VARIABLE = re.compile(r"AWS_\w+(?! of the Secret in spec\.storage\.credentialsSecret)\b")


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_each_error_names_fields_in_a_pod_and_variables_elsewhere(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.delenv("TRAINING_RUN_NAME", raising=False)
    elsewhere = str(typed_error(error, "write", PLACE))
    monkeypatch.setenv("TRAINING_RUN_NAME", "tables")
    in_a_pod = str(typed_error(error, "write", PLACE))
    assert "spec." not in elsewhere
    assert VARIABLE.findall(in_a_pod) == []
    assert ("AWS_" in elsewhere) == ("spec." in in_a_pod), "both name the same settings"
    assert "{" not in elsewhere + in_a_pod


@pytest.mark.parametrize(
    ("variables", "field", "variable"),
    [
        ({"AWS_S3_ENDPOINT": "s3.example"}, "spec.storage.endpoint is 's3.example'", "AWS_S3_ENDPOINT is"),
        ({"AWS_S3_ENDPOINT": "https://a:b@s3"}, "give them as spec.storage.credentialsSecret", "as AWS_ACCESS_KEY_ID"),
        ({"AWS_S3_SSE_TYPE": "rot13"}, "spec.storage.sse.type is 'rot13'", "AWS_S3_SSE_TYPE is 'rot13'"),
        ({"AWS_S3_SSE_KMS_KEY_ID": "key"}, "spec.storage.sse.kmsKeyId is set", "needs aws:kms as AWS_S3_SSE_TYPE"),
    ],
)
def test_each_setting_that_is_wrong_is_named_so_too(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], field: str, variable: str
) -> None:
    for name in ("AWS_S3_ENDPOINT", "AWS_S3_SSE_TYPE", "AWS_S3_SSE_KMS_KEY_ID"):
        monkeypatch.setenv(name, variables.get(name, ""))
    for run, says in (("", variable), ("tables", field)):
        monkeypatch.setenv("TRAINING_RUN_NAME", run)
        with pytest.raises(ConfigError) as refused:
            S3Settings.from_env()
        assert says in str(refused.value)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_certificates_that_cannot_be_read_are_an_error_before_the_first_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    bundle = tmp_path / "ca.crt"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("TRAINING_RUN_NAME", "tables")
    with pytest.raises(ConfigError, match=r"certificates of spec\.storage\.caBundleConfigMap cannot be read .*ca\.crt"):
        make_client(S3Settings("https://s3.example", None, {}))


def test_certificates_that_can_be_read_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes(self_signed()[1])
    for path in (bundle, tmp_path):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
        make_client(S3Settings("https://s3.example", None, {}))
