"""Types in which features are stored. bfloat16 needs no library: it is the upper half of float32, stored as uint16."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INFINITY = 0x7F80


def to_bits(values: NDArray[np.floating]) -> NDArray[np.uint16]:
    """The nearest bfloat16 of finite floats, ties to even (IEEE 754, 4.3.1); too large values become infinite."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return (rounded >> np.uint32(16)).astype(np.uint16)


def to_float32(bits: NDArray[Any]) -> NDArray[np.float32]:
    """The exact numbers as float32."""
    numbers: NDArray[np.float32] = np.left_shift(bits, 16, dtype=np.uint32).view(np.float32)
    return numbers


def all_finite_bits(bits: NDArray[np.uint16]) -> bool:
    """Whether no value is NaN or infinite."""
    return not bits.size or int((bits & np.uint16(0x7FFF)).max()) < INFINITY


def as_stored(values: NDArray[np.floating], dtype: str) -> NDArray[Any]:
    """Floats as stored in type `dtype`; values that are too large become infinite."""
    with np.errstate(over="ignore"):
        return to_bits(values) if dtype == "bfloat16" else values.astype(dtype, copy=False)


def as_numbers(stored: NDArray[Any], dtype: str) -> NDArray[np.floating]:
    """Stored values of type `dtype` as numbers."""
    return to_float32(stored) if dtype == "bfloat16" else stored
