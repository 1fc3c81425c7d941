"""The space of a search: which keys are varied, and over which values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODEL = "model"
"""Table of the space with keys of `[model]`."""
RANGE_KEYS = {"low", "high", "log"}


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    values: Sequence[Any]

    def examples(self) -> Sequence[Any]:
        """Values to check."""
        return self.values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; whole numbers if both are."""

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are proposed."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def examples(self) -> Sequence[Any]:
        """Values to check."""
        return (self.low, self.high)


def read_space(space: Mapping[str, Any]) -> dict[str, Choices | Range]:
    """Dotted key, such as ``lr`` or ``model.dropout`` → its values.

    Raises: ValueError: values are not a list or a range, with the key and the reason.
    """
    return {key: _values(key, given) for key, given in _flat(space)}


def _flat(space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, given in space.items():
        if key == MODEL and isinstance(given, Mapping):
            yield from ((f"{MODEL}.{name}", values) for name, values in given.items())
        else:
            yield key, given


def _values(key: str, given: Any) -> Choices | Range:
    expected = "a list of values, or a table with low, high and optionally log"
    if isinstance(given, (list, tuple)):
        if len(given) < 2:
            raise ValueError(f"{key}: there is nothing to choose from; expected two values or more, got {list(given)}")
        return Choices(tuple(given))
    if not isinstance(given, Mapping) or not {"low", "high"} <= given.keys() <= RANGE_KEYS:
        raise ValueError(f"{key}: expected {expected}, got {given!r}")
    low, high, log = given["low"], given["high"], given.get("log", False)
    if any(isinstance(end, bool) or not isinstance(end, (int, float)) for end in (low, high)) or log not in (
        True,
        False,
    ):
        raise ValueError(f"{key}: expected numbers for low and high, and true or false for log, got {given!r}")
    if low >= high or (log and low <= 0):
        raise ValueError(f"{key}: expected {'0 < low < high' if log else 'low < high'}, got {low} and {high}")
    return Range(low, high, log)
