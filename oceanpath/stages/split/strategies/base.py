"""What a strategy returns: the test patients of every fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oceanpath.stages.split.patients import Patients
    from oceanpath.stages.split.settings import SplitSettings


@dataclass(frozen=True)
class Fold:
    """The patients that one model is tested on; the others train and validate it."""

    test: frozenset[str]
    val: frozenset[str] = frozenset()
    """Inner validation patients; none: drawn from the patients that are not tested."""
    left_out: frozenset[str] = frozenset()
    """Patients without any role in this fold."""
    slides: frozenset[str] | None = None
    """The only slides with a role in this fold; None: all slides of its patients."""
    repeat: int = 0
    """Number of the repeat; within a repeat, a slide is tested by one ensemble."""
    ensemble: int | None = None
    """Number of the first fold of its ensemble, where several models test the same patients; None: this fold alone."""
    name: str = ""
    """What is tested, such as a site."""


Strategy = Callable[["Patients", "SplitSettings"], list[Fold]]
"""Patients and settings → folds. The same patients and seed give the same folds."""
