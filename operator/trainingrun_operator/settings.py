"""The operator's configuration, from environment variables (docs/operator.md lists them)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trainingrun_operator.core.errors import SetupError
from trainingrun_operator.core.jobs.defaults import JobDefaults

PULL_POLICIES = ("Always", "IfNotPresent", "Never")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be configured."""

    # Empty: all namespaces.
    watch_namespaces: tuple[str, ...]
    default_worker_image: str
    default_preprocess_image: str
    default_image_pull_policy: str
    gateway_url: str
    gateway_port: int
    gateway_tls_dir: Path
    gateway_ca_file: Path | None
    metrics_port: int
    pod_id: str
    lease_namespace: str
    lease_name: str
    progress_interval: timedelta
    relist_interval: timedelta
    workers: int
    keep_jobs: timedelta
    # Whether Kueue's Workloads may be seen and written.
    kueue_enabled: bool
    log_level: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Reads the variables.

        Raises:
            SetupError: one of them can't be used; it says which and why.
        """
        url = environ.get("GATEWAY_URL", "")
        if url and not url.startswith("https://"):
            raise SetupError(f"GATEWAY_URL must begin with https://, not {url!r}")
        policy = environ.get("DEFAULT_IMAGE_PULL_POLICY") or "IfNotPresent"
        if policy not in PULL_POLICIES:
            raise SetupError(f"DEFAULT_IMAGE_PULL_POLICY must be one of {', '.join(PULL_POLICIES)}, not {policy!r}")
        level = (environ.get("LOG_LEVEL") or "info").upper()
        if level not in logging.getLevelNamesMapping():
            raise SetupError(f"LOG_LEVEL must be debug, info, warning or error, not {level!r}")
        ca_file = environ.get("GATEWAY_CA_FILE", "")
        names = environ.get("WATCH_NAMESPACE", "").split(",")
        return cls(
            watch_namespaces=tuple(name.strip() for name in names if name.strip()),
            default_worker_image=environ.get("DEFAULT_WORKER_IMAGE", ""),
            default_preprocess_image=environ.get("DEFAULT_PREPROCESS_IMAGE", ""),
            default_image_pull_policy=policy,
            gateway_url=url.rstrip("/"),
            gateway_port=_number(environ, "GATEWAY_PORT", 8443, 1, 65535),
            gateway_tls_dir=Path(environ.get("GATEWAY_TLS_DIR") or "/etc/trainingrun/gateway"),
            gateway_ca_file=Path(ca_file) if ca_file else None,
            metrics_port=_number(environ, "METRICS_PORT", 8080, 1, 65535),
            pod_id=environ.get("POD_ID") or socket.gethostname(),
            lease_namespace=environ.get("LEASE_NAMESPACE") or "default",
            lease_name=environ.get("LEASE_NAME") or "trainingrun-operator",
            progress_interval=timedelta(seconds=_number(environ, "PROGRESS_INTERVAL_S", 10, 1, 3600)),
            relist_interval=timedelta(seconds=_number(environ, "RELIST_INTERVAL_S", 300, 10, 3600)),
            kueue_enabled=_switch(environ, "KUEUE_ENABLED"),
            workers=_number(environ, "WORKERS", 8, 1, 64),
            keep_jobs=timedelta(seconds=_number(environ, "KEEP_JOBS_S", 86400, 0, 10 * 366 * 86400)),
            log_level=level,
        )

    def job_defaults(self) -> JobDefaults:
        """What Jobs are built with; reads the gateway's CA.

        Raises:
            SetupError: the CA can't be read.
        """
        ca = ""
        if self.gateway_ca_file is not None:
            try:
                ca = self.gateway_ca_file.read_text()
            except OSError as error:
                raise SetupError(f"GATEWAY_CA_FILE can't be read: {error}") from error
        return JobDefaults(
            image=self.default_worker_image,
            preprocess_image=self.default_preprocess_image,
            image_pull_policy=self.default_image_pull_policy,
            gateway_url=self.gateway_url,
            gateway_ca=ca,
        )


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SetupError(f"{name} must be a whole number from {least} to {most}, not {text!r}")
    return int(text)


def _switch(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name) or "false"
    if text not in ("true", "false"):
        raise SetupError(f"{name} must be true or false, not {text!r}")
    return text == "true"
