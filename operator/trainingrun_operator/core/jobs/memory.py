"""More memory for the next attempt, after one was killed for want of it."""

from __future__ import annotations

from trainingrun_operator.core.jobs.quantity import parse_quantity
from trainingrun_operator.core.resource.pod_template import Resources
from trainingrun_operator.core.resource.spec import OnOOM

_MIB = 1 << 20


def more_memory(asked: str, on_oom: OnOOM) -> str | None:
    """What the next attempt asks for; None where it is no more than before.

    Args:
        asked: what the pod that was killed had asked for, a quantity.

    Raises:
        ValueError: a quantity is none.
    """
    before = parse_quantity(asked)
    after = min(int(before * on_oom.memory_factor), parse_quantity(on_oom.max_memory)) // _MIB
    return f"{after}Mi" if after * _MIB > before else None


def with_memory(resources: Resources, memory: str) -> Resources:
    """The resources with that memory as their limit, or as their request where they have no limit.

    A request beside a limit grows with it.

    Raises:
        ValueError: a quantity is none.
    """
    request, limit = resources.requests.get("memory"), resources.limits.get("memory")
    if limit is None and request is not None:
        return resources.model_copy(update={"requests": {**resources.requests, "memory": memory}})
    changes = {"limits": {**resources.limits, "memory": memory}}
    if limit is not None and request is not None:
        grown = parse_quantity(str(request)) * parse_quantity(memory) // max(parse_quantity(str(limit)), 1)
        changes["requests"] = {**resources.requests, "memory": f"{max(grown // _MIB, 1)}Mi"}
    return resources.model_copy(update=changes)
