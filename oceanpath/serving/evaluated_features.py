"""Patch features as the evaluation read them: rounded to the precision of the contract, and finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.store.bfloat16 import as_numbers, as_stored
from oceanpath.serving.errors import NotFiniteError
from oceanpath.serving.half_precision import as_single


class EvaluatedFeatures:
    """Rounds the patches of one slide part by part, and remembers those that are not finite."""

    def __init__(self, dtype: str) -> None:
        """`dtype` is that of the contract."""
        self._dtype = dtype
        self.rows = 0
        """Number of patches so far."""
        self.largest = 0.0
        """Largest absolute value so far."""
        self._sent, self._rounded = _BadRows(), _BadRows()

    @property
    def is_finite(self) -> bool:
        """Whether all features so far are finite."""
        return not self._sent.count and not self._rounded.count

    def add(self, features: NDArray[np.floating]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Features [m, D] as in a store of the contract's dtype, and the same values as float32."""
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, which is found below
            single = features if features.dtype == np.float16 else features.astype(np.float32)
        stored = as_stored(single, self._dtype)
        bag = as_single(as_numbers(stored, self._dtype))
        largest = max(float(bag.max()), -float(bag.min()))  # NaN if any value is
        if not np.isfinite(largest):
            self._sent.add(single, self.rows)
            self._rounded.add(bag, self.rows)
        self.largest, self.rows = max(self.largest, largest), self.rows + len(bag)
        return stored, bag

    def require_finite(self) -> None:
        """Raise NotFiniteError if a feature was not finite, or too large for the dtype."""
        if self._sent.count:
            what, expected = "a feature is NaN or infinite", "finite numbers"
            raise NotFiniteError(what, expected=expected, got=self._sent.describe())
        if self._rounded.count:
            expected = f"numbers within the range of {self._dtype}, the model's precision"
            raise NotFiniteError("a feature is too large", expected=expected, got=self._rounded.describe())


class _BadRows:
    """The rows with a value that is not finite."""

    def __init__(self) -> None:
        self.count, self._first = 0, 0

    def add(self, part: NDArray[np.floating], start: int) -> None:
        """Count those of a part that begins with row `start`."""
        rows = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if len(rows) and not self.count:
            self._first = start + int(rows[0])
        self.count += len(rows)

    def describe(self) -> str:
        """Their number, and the first one."""
        return f"{self.count} patches, the first in row {self._first}"
