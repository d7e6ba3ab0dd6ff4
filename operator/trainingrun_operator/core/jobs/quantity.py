"""Kubernetes quantities like 4Gi, 500m, 2e9."""

from __future__ import annotations

import re

_MAX_QUANTITY = 2**63 - 1
_BINARY = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def parse_quantity(quantity: str) -> int:
    """A Kubernetes quantity in whole units, at most what Kubernetes itself makes of a larger one.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"([+-]?[0-9.]+)(?:(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE]?)|[eE]([+-]?\d+))", quantity)
    if not match:
        raise ValueError(f"{quantity!r} is not a quantity")
    number, binary, decimal, exponent = match.groups()
    # As text, since float("1e400") is infinite where 10.0**400 raises.
    size = float(f"{number}e{exponent or _DECIMAL[decimal or '']}") * _BINARY.get(binary, 1)
    return int(min(size, _MAX_QUANTITY))
