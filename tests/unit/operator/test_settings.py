"""The configuration, and the sentences about a wrong one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from trainingrun_operator.core.errors import SetupError
from trainingrun_operator.settings import Settings


def test_everything_has_a_default() -> None:
    settings = Settings.read({})
    assert settings.watch_namespaces == ()
    assert settings.gateway_port == 8443
    assert settings.progress_interval == timedelta(seconds=10)
    assert settings.job_defaults().gateway_url == ""
    assert (settings.lease_namespace, settings.lease_name) == ("default", "trainingrun-operator")


def test_the_namespaces_may_be_several() -> None:
    assert Settings.read({"WATCH_NAMESPACE": "a, b"}).watch_namespaces == ("a", "b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_URL", "http://plain"),
        ("GATEWAY_PORT", "0"),
        ("GATEWAY_PORT", "99999"),
        ("PROGRESS_INTERVAL_S", "soon"),
        ("DEFAULT_IMAGE_PULL_POLICY", "Sometimes"),
        ("LOG_LEVEL", "loud"),
        ("WORKERS", "-1"),
        ("KUEUE_ENABLED", "yes"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SetupError, match=name):
        Settings.read({name: value})


def test_the_images_of_both_stages_are_given_to_the_jobs() -> None:
    defaults = Settings.read({"DEFAULT_WORKER_IMAGE": "worker:1", "DEFAULT_PREPROCESS_IMAGE": "slim:1"}).job_defaults()
    assert (defaults.image, defaults.preprocess_image) == ("worker:1", "slim:1")


def test_the_gateways_ca_is_given_to_the_jobs(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("PEM")
    environ = {"GATEWAY_URL": "https://gateway:8443/", "GATEWAY_CA_FILE": str(tmp_path / "ca.crt")}
    defaults = Settings.read(environ).job_defaults()
    assert (defaults.gateway_url, defaults.gateway_ca) == ("https://gateway:8443", "PEM")


def test_a_ca_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    settings = Settings.read({"GATEWAY_CA_FILE": str(tmp_path / "absent")})
    with pytest.raises(SetupError, match="GATEWAY_CA_FILE"):
        settings.job_defaults()
