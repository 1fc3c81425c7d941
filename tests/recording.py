"""Replacements of functions that record their calls."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def recorded(call: Callable[P, R], record: Callable[P, None]) -> Callable[P, R]:
    """`call`, except that `record` receives the same arguments first."""

    @wraps(call)
    def recording(*args: P.args, **kwargs: P.kwargs) -> R:
        record(*args, **kwargs)
        return call(*args, **kwargs)

    return recording
