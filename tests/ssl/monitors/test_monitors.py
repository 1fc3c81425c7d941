"""Monitors on embeddings whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.ssl.monitors import geometry, rank
from oceanpath.ssl.monitors.collapse import IN_A_ROW, CollapseCheck, Shape
from oceanpath.ssl.monitors.report import NAMES, monitor

random = np.random.default_rng(0)


def isotropic(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def test_rankme_counts_equal_axes_and_does_not_read_the_mean() -> None:
    for count in (1, 3, 8):
        axes = np.linalg.qr(isotropic(50, count) - isotropic(50, count).mean(0))[0]
        axes -= axes.mean(0)
        axes = np.linalg.svd(axes, full_matrices=False)[0]
        assert rank.rankme(axes @ np.eye(count, 16) + 100) == pytest.approx(count, rel=1e-3)
    assert rank.rankme(np.ones((20, 8))) == pytest.approx(0, abs=1)


def test_rankme_is_bounded_by_the_number_of_rows() -> None:
    assert rank.rankme(isotropic(100, 512)) == pytest.approx(96, abs=2)  # reference.md 1.9: 100 rows, 512 dimensions


def test_alpha_is_the_exponent_of_the_spectrum() -> None:
    for alpha in (0.5, 1.0, 2.0):
        axes = np.linalg.svd(isotropic(200, 40) - isotropic(200, 40).mean(0), full_matrices=False)[0]
        axes -= axes.mean(0)
        axes = np.linalg.svd(axes, full_matrices=False)[0]
        z = axes * np.arange(1, 41) ** (-alpha / 2)
        assert rank.alpha_req(z) == pytest.approx(alpha, rel=0.02)
    assert np.isnan(rank.alpha_req(isotropic(3, 2)))


def test_lidar_counts_axes_on_which_slides_differ_more_than_their_views() -> None:
    slides = np.zeros((400, 10))
    slides[:, :4] = isotropic(400, 4)
    noisy = np.stack([slides + 0.01 * isotropic(400, 10, seed) for seed in (1, 2)])
    assert rank.lidar(noisy) == pytest.approx(4, abs=0.3)
    unrelated = np.stack([isotropic(400, 10, seed) for seed in (1, 2)])
    assert rank.rankme(noisy[0]) < 5
    assert rank.lidar(unrelated) > 8


def test_geometry_equals_loops() -> None:
    a, b = isotropic(9, 4), isotropic(9, 4, 1)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    assert geometry.mean_cosine(a) == pytest.approx(np.mean([unit[0][i] @ unit[0][j] for i, j in pairs]))
    squared = [((unit[0][i] - unit[0][j]) ** 2).sum() for i, j in pairs]
    assert geometry.uniformity(a) == pytest.approx(np.log(np.mean(np.exp(-2 * np.array(squared)))))
    assert geometry.alignment(a, b) == pytest.approx(np.mean(((unit[0] - unit[1]) ** 2).sum(1)))
    nearest = (unit[0] @ unit[1].T).argmax(axis=1)
    assert geometry.neighbour_consistency(a, b) == pytest.approx((nearest == np.arange(9)).mean())
    assert geometry.neighbour_consistency(a, a) == 1.0
    assert geometry.neighbour_consistency(np.ones((9, 4)), np.ones((9, 4))) == 0.0


def test_a_report_has_every_monitor() -> None:
    assert tuple(monitor(isotropic(40, 6).reshape(2, 20, 6))) == NAMES


HEALTHY = isotropic(30, 16)


def check() -> CollapseCheck:
    built = CollapseCheck.begin(Shape.of(isotropic(30, 8, 5)), HEALTHY, HEALTHY)
    assert built.update(HEALTHY, HEALTHY) == ""
    return built


@pytest.mark.parametrize(
    "collapsed",
    [
        np.ones((30, 16)) + 1e-4 * HEALTHY,  # one point
        np.outer(HEALTHY[:, 0], np.ones(16)) + 1e-4 * HEALTHY,  # one line
    ],
)
def test_complete_and_dimensional_collapse_are_reported_on_the_second_evaluation(collapsed: np.ndarray) -> None:
    for embeddings, projections in ((collapsed, HEALTHY), (HEALTHY, collapsed)):
        fresh = check()
        for _ in range(IN_A_ROW - 1):
            assert fresh.update(embeddings, projections) == ""
        assert " < " in fresh.update(embeddings, projections)
        assert fresh.update(HEALTHY, HEALTHY) == ""


def test_projections_that_shrink_to_a_point_are_a_collapse_and_larger_ones_are_not() -> None:
    fresh = check()
    assert not any(fresh.update(50 * HEALTHY, 50 * HEALTHY) for _ in range(3))
    fresh.update(HEALTHY, 1e-3 * HEALTHY)
    assert "std of projections" in fresh.update(HEALTHY, 1e-3 * HEALTHY)
