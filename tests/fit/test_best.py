from __future__ import annotations

import math

import pytest
import torch

from oceanpath.fit.best import BestEpoch


def offered(best: BestEpoch, scores: list[float]) -> list[bool]:
    module = torch.nn.Linear(1, 1)
    stops = []
    for epoch, score in enumerate(scores):
        module.weight.data.fill_(float(epoch))
        stops.append(best.offer(epoch, score, module))
    return stops


@pytest.mark.parametrize(("higher", "scores"), [(False, [3.0, 1.0, 2.0, 1.0]), (True, [1.0, 3.0, 2.0, 3.0])])
def test_the_first_of_the_best_epochs_is_kept_with_its_own_weights(higher: bool, scores: list[float]) -> None:
    best = BestEpoch(patience=9, higher=higher)
    offered(best, scores)
    assert (best.epoch, best.score) == (1, scores[1])
    assert best.state["weight"].item() == 1.0


def test_patience_counts_epochs_since_the_best() -> None:
    assert offered(BestEpoch(patience=2), [3.0, 2.0, 2.5, 2.5, 2.5]) == [False, False, False, True, True]


def test_a_score_that_is_not_finite_is_never_the_best() -> None:
    best = BestEpoch(patience=3)
    assert offered(best, [math.nan, 5.0, math.nan, -math.inf]) == [False] * 4
    assert best.epoch == 1
    hopeless = BestEpoch(patience=2)
    assert offered(hopeless, [math.nan] * 3)[-1]
    assert hopeless.state == {}
