"""Two models that are equally good must not be called different more often than the level of the test says."""

import numpy as np
import pytest

from oceanpath.stats.delong import delong_test
from oceanpath.stats.discrimination import ranking_measure
from oceanpath.stats.mcnemar import mcnemar_test
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.panel import decide
from oceanpath.stats.patients import patient_rows
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


def p_values(random, seed):
    labels, a, b, patients = two_equal_models(random)
    one, two = (patient_rows(patients, labels, probs) for probs in (a, b))
    drawn = draw_patients(patients, labels, resamples=199, seed=seed)
    ours, theirs = (bootstrap([ranking_measure(labels, p)], drawn) for p in (a, b))
    return {
        "delong": delong_test(one.labels == 1, one.probs[:, 1], two.probs[:, 1]).p,
        "mcnemar": mcnemar_test(decide(one.probs) == one.labels, decide(two.probs) == two.labels).p,
        "bootstrap": paired_difference(ours, theirs).p,
    }


@pytest.mark.slow
def test_false_alarms_are_between_three_and_six_of_a_hundred():
    """The standard error of each rate is 0.7 of a hundred; the exact form of McNemar's test keeps below its level."""
    random = np.random.default_rng(1)
    found = [p_values(random, seed) for seed in range(COHORTS)]
    rates = {test: float(np.mean([p[test] < 0.05 for p in found])) for test in found[0]}
    assert all(0.03 <= rate <= 0.06 for rate in rates.values()), rates
