"""Two models that are equally good must not be called different more often than the level of the test says."""

import numpy as np
import pytest

from oceanpath.stats.discrimination import ranking_measure
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.resample import bootstrap, draw_patients

COHORTS, PATIENTS, SLIDES = 1000, 60, 2


def two_equal_models(random):
    """Scores that share a part that belongs to the patient, have one of their own, and differ between slides."""
    owner = np.repeat(np.arange(PATIENTS), SLIDES)
    labels, shared = owner % 2, 0.7 * random.normal(size=PATIENTS)[owner]
    models = []
    for _ in range(2):
        own = 0.7 * random.normal(size=PATIENTS)[owner] + 0.5 * random.normal(size=len(owner))
        p = 1 / (1 + np.exp(0.5 - labels - shared - own))
        models.append(np.stack([1 - p, p], axis=1))
    return labels, *models, [f"p{number:02d}" for number in owner]


def p_value(random, seed):
    labels, a, b, patients = two_equal_models(random)
    drawn = draw_patients(patients, labels, resamples=199, seed=seed)
    ours, theirs = (bootstrap([ranking_measure(labels, p)], drawn) for p in (a, b))
    return paired_difference(ours, theirs).p


@pytest.mark.slow
def test_false_alarms_are_between_three_and_six_of_a_hundred():
    """The standard error of the rate is 0.7 of a hundred."""
    random = np.random.default_rng(1)
    rate = np.mean([p_value(random, seed) < 0.05 for seed in range(COHORTS)])
    assert 0.03 <= rate <= 0.06, rate
