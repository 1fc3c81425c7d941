from __future__ import annotations

import math

import pytest

from oceanpath.errors import StageError
from oceanpath.fit.non_finite import NonFiniteGuard


def test_finite_steps_pass_and_others_are_counted() -> None:
    guard = NonFiniteGuard(limit=3)
    verdicts = [guard.accepts(*pair) for pair in [(1.0, 1.0), (math.nan, 1.0), (1.0, math.inf), (0.5, 2.0)]]
    assert verdicts == [True, False, False, True]
    assert guard.skipped == 2


def test_a_good_step_ends_the_row() -> None:
    guard = NonFiniteGuard(limit=2)
    for _ in range(5):
        guard.accepts(math.nan, 1.0)
        guard.accepts(1.0, 1.0)
    assert guard.skipped == 5


def test_too_many_in_a_row_end_the_fit_and_name_the_slides() -> None:
    guard = NonFiniteGuard(limit=2)
    guard.accepts(math.nan, 1.0)
    with pytest.raises(StageError, match=r"slide_7.*2 consecutive training steps.*loss nan.*Lower the learning rate"):
        guard.accepts(math.nan, 1.0, ("slide_7",))
