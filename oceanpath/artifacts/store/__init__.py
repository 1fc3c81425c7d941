"""The store: all bags of a cohort in a few memory-mapped files. `Store` reads it."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """`Store`, imported on first use: modules of this package that need no numpy stay light."""
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from oceanpath.artifacts.store.reader import Store

    return Store
