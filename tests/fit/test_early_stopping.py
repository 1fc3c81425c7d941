from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from oceanpath.fit.early_stopping import BestWeights


def offered(best: BestWeights, scores: Sequence[float | tuple[float, ...]]) -> list[bool]:
    module = torch.nn.Linear(1, 1)
    stops = []
    for epoch, score in enumerate(scores):
        module.weight.data.fill_(float(epoch))
        stops.append(best.update(epoch, score if isinstance(score, tuple) else (score,), module))
    return stops


def test_the_first_of_the_best_epochs_is_kept_with_its_own_weights() -> None:
    best = BestWeights(patience=9)
    offered(best, [3.0, 1.0, 2.0, 1.0])
    assert (best.epoch, best.scores) == (1, (1.0,))
    assert best.state["weight"].item() == 1.0


def test_a_later_score_decides_where_the_first_is_equal_and_only_there() -> None:
    best = BestWeights(patience=2)
    stops = offered(best, [(-1.0, 0.6), (-0.9, 0.1), (-1.0, 0.5), (-1.0, 0.5), (-1.0, 0.7)])
    assert (best.epoch, best.scores) == (2, (-1.0, 0.5))
    assert stops == [False, False, False, False, True]  # patience counts from the epoch that the second score chose


def test_patience_counts_epochs_since_the_best() -> None:
    assert offered(BestWeights(patience=2), [3.0, 2.0, 2.5, 2.5, 2.5]) == [False, False, False, True, True]


def test_a_score_that_is_not_finite_is_never_the_best() -> None:
    best = BestWeights(patience=3)
    assert offered(best, [math.nan, 5.0, math.nan, -math.inf]) == [False] * 4
    assert best.epoch == 1
    tie_breaker = BestWeights(patience=3)
    offered(tie_breaker, [(-1.0, math.nan), (-0.5, 1.0)])
    assert (tie_breaker.epoch, tie_breaker.scores) == (1, (-0.5, 1.0))
    hopeless = BestWeights(patience=2)
    assert offered(hopeless, [math.nan] * 3)[-1]
    assert hopeless.state == {}
