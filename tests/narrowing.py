"""Typed access to values that may be missing."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def required(value: T | None) -> T:
    """The value; an error if it is missing."""
    assert value is not None
    return value
