import numpy as np

from oceanpath.stats.bands import roc_band
from oceanpath.stats.discrimination import roc_curve
from oceanpath.stats.resample import draw_patients

from ..narrowing import required

GRID = np.linspace(0, 1, 51)


def test_the_band_holds_the_curve_and_rises(cohort):
    labels, probs, patients = cohort(200, per_patient=2)
    low, high = required(roc_band(labels == 1, probs[:, 1], draw_patients(patients, labels, resamples=200), GRID))
    curve = roc_curve(labels == 1, probs[:, 1])
    height = np.interp(GRID, curve.x, curve.y)
    assert np.mean((low <= height) & (height <= high)) > 0.95
    assert np.all(np.diff(low) >= 0) and np.all(np.diff(high) >= 0) and np.all(low <= high)


def test_more_patients_make_it_narrower(cohort):
    widths = []
    for n in (60, 600):
        labels, probs, patients = cohort(n)
        low, high = required(roc_band(labels == 1, probs[:, 1], draw_patients(patients, labels, resamples=200), GRID))
        widths.append(np.mean(high - low))
    assert widths[1] < widths[0] / 2


def test_no_resamples_no_band(cohort):
    labels = np.array([0, 1])
    drawn = draw_patients(["a", "a"], labels)
    assert roc_band(labels == 1, np.array([0.2, 0.8]), drawn, GRID) is None
