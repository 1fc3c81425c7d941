"""The distance of a slide from the training slides, and its limit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import LinAlgError
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from oceanpath.artifacts.bundle.feature_statistics import FeatureStatistics
from oceanpath.errors import ArtifactError
from oceanpath.stages.export.feature_statistics import (
    FEWEST_SLIDES,
    describe_similarity,
    fit_statistics,
    held_out_distances,
)

DIM = 5


def correlated(slides: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((DIM, DIM))
    return np.asarray(rng.standard_normal((slides, DIM)) @ mixing + 3.0)


def test_the_distance_is_that_of_the_shrunk_covariance():
    means = correlated(80)
    statistics, shrinkage = fit_statistics(means)
    reference = LedoitWolf().fit(means)
    assert shrinkage == pytest.approx(reference.shrinkage_)
    slide = correlated(1, seed=5)[0]
    bag = slide + np.random.default_rng(1).standard_normal((40, DIM))
    expected = mahalanobis(bag.mean(axis=0), reference.location_, reference.precision_)
    assert statistics.distance(bag) == pytest.approx(expected, rel=1e-5)


def test_held_out_distances_use_no_slide_of_the_same_patient():
    means, patients = correlated(60), [f"p{i // 2:02d}" for i in range(60)]
    distances = held_out_distances(means, patients)
    moved = means.copy()
    moved[1] += 100.0  # the other slide of the patient of slide 0
    assert held_out_distances(moved, patients)[0] == pytest.approx(distances[0])
    assert held_out_distances(moved, patients)[2] != pytest.approx(distances[2])


class Means:
    """A store of slides with one patch each."""

    def __init__(self, means: np.ndarray) -> None:
        self.means = means

    def number(self, name: str) -> int:
        return int(name)

    def features(self, number: int) -> np.ndarray:
        return np.asarray(self.means[number][None])


def of(means: np.ndarray):
    return describe_similarity(Means(means), {f"{i:04d}": f"p{i:04d}" for i in range(len(means))})  # type: ignore[arg-type]  # what is read of a store


def test_about_one_percent_of_other_slides_of_the_cohort_and_all_unlike_slides_are_flagged():
    statistics, facts = of(correlated(500))
    assert statistics is not None
    assert facts.limit is not None
    assert 0.002 < (statistics.distances(correlated(5000, seed=7)) > facts.limit).mean() < 0.03
    assert (statistics.distances(correlated(50, seed=8) + 30.0) > facts.limit).all()


def test_without_enough_slides_or_variation_there_is_a_reason_and_no_flag():
    statistics, facts = of(correlated(FEWEST_SLIDES - 1))
    assert (statistics, facts.limit) == (None, None)
    assert facts.reason == "49 training slides; 50 are needed"
    statistics, facts = of(np.ones((60, DIM)))
    assert (statistics, facts.limit) == (None, None)
    assert "do not vary" in facts.reason


def test_a_singular_covariance_is_an_error():
    with pytest.raises(LinAlgError):
        fit_statistics(np.zeros((10, DIM)))


def test_the_file_has_equal_bytes_and_is_read_back_for_the_same_features_only():
    statistics, _ = fit_statistics(correlated(80))
    content = statistics.render()
    assert content == fit_statistics(correlated(80))[0].render()
    again = FeatureStatistics.parse(content, DIM)
    assert np.array_equal(again.mean, statistics.mean)
    assert np.array_equal(again.whitening, statistics.whitening)
    with pytest.raises(ArtifactError, match="other shapes"):
        FeatureStatistics.parse(content, DIM + 1)
    with pytest.raises(ArtifactError, match="cannot be read"):
        FeatureStatistics.parse(content[:20], DIM)


def test_the_order_of_the_training_slides_changes_no_byte():
    means, names = correlated(60), [f"{i:04d}" for i in range(60)]
    contents = []
    for order in (names, names[::-1]):
        statistics, facts = describe_similarity(Means(means), {name: f"p{name}" for name in order})  # type: ignore[arg-type]  # what is read of a store
        assert statistics is not None
        contents.append((statistics.render(), facts))
    assert contents[0] == contents[1]
