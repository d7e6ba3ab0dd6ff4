"""The few facts of a Kueue Workload that decisions rest on, read from the API server's plain data.

Kueue makes one for each Job that it manages. `kueue.x-k8s.io/v1beta1` and `v1beta2` have these fields alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainingrun_operator.core.names import ANNOTATION_SUSPEND


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadView:
    """A Workload; `job_uid` is its controller's UID, the only proof of which Job it stands for."""

    name: str
    namespace: str
    uid: str
    job_uid: str
    queue: str = ""
    # Kueue stops the Job of one that is not active, and admits it no more.
    active: bool = True
    # As the operator last wrote it. Where `active` differs, somebody else has written it.
    suspend_wanted: bool = False
    quota_reserved: bool = False
    admitted: bool = False
    # Kueue's words: why there is no quota yet, why the Job was stopped, which admission checks are still to pass.
    pending: str = ""
    evicted_reason: str = ""
    evicted: str = ""
    checks: str = ""
    # Alone it tells of no change that matters.
    resource_version: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class KueueView:
    """What is known of Kueue's part in a Job. `followed`: the operator may see and write Workloads."""

    workload: WorkloadView | None = None
    followed: bool = False


def view_workload(body: Mapping[str, Any]) -> WorkloadView:
    """Reads a `kueue.x-k8s.io` Workload."""
    meta, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    reserved, evicted = conditions.get("QuotaReserved") or {}, conditions.get("Evicted") or {}
    is_evicted = evicted.get("status") == "True"
    checks = [each for each in status.get("admissionChecks") or () if each.get("state") != "Ready"]
    return WorkloadView(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        job_uid=next((ref["uid"] for ref in meta.get("ownerReferences") or () if ref.get("controller")), ""),
        queue=spec.get("queueName") or "",
        active=spec.get("active") is not False,
        suspend_wanted=(meta.get("annotations") or {}).get(ANNOTATION_SUSPEND) == "true",
        quota_reserved=reserved.get("status") == "True",
        admitted=(conditions.get("Admitted") or {}).get("status") == "True",
        pending=(reserved.get("message") or "") if reserved.get("status") == "False" else "",
        evicted_reason=(evicted.get("reason") or "") if is_evicted else "",
        evicted=(evicted.get("message") or "") if is_evicted else "",
        checks=", ".join(f"{each['name']} ({each.get('message') or each.get('state')})" for each in checks),
        resource_version=meta.get("resourceVersion", ""),
    )
