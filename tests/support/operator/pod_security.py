"""The Pod Security Standard `restricted` (https://kubernetes.io/docs/concepts/security/pod-security-standards/)."""

from __future__ import annotations

from typing import Any

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_HOST = ("hostNetwork", "hostPID", "hostIPC")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"


def violations(template: dict[str, Any]) -> list[str]:
    """What of a pod's template the standard forbids."""
    pod = template["spec"]
    found = [field for field in _HOST if pod.get(field)]
    found += [key for key in template["metadata"].get("annotations", {}) if key.startswith(_APPARMOR)]
    found += [f"volume {each}" for each in pod.get("volumes", []) if not set(each) - {"name"} <= VOLUMES]
    found += [f"pod: {field}" for field in set(pod["securityContext"]) - _ALLOWED_OF_POD]
    context = pod["securityContext"]
    if not context.get("runAsNonRoot") or not context.get("runAsUser"):
        found.append("pod: may run as root")
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("pod: seccomp")
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        found += [violation for each in pod.get(kind, []) for violation in _of_container(each)]
    return found


_ALLOWED_OF_POD = {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile"}
_CONTEXT = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def _of_container(container: dict[str, Any]) -> list[str]:
    """More than the standard asks for is what the operator promises: the root file system is read-only, too."""
    forbidden = [field for field in ("ports", "lifecycle", "livenessProbe", "startupProbe") if field in container]
    if container["securityContext"] != _CONTEXT:
        forbidden.append("securityContext")
    return [f"container {container['name']}: {field}" for field in forbidden]
