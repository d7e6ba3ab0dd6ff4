"""Gives memory that is free back to the system: glibc keeps what lies between things that are still in use."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Takes some milliseconds. Does nothing where the C library is not glibc."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
