"""Published tables for the statistics, beside the project; tests that use them are skipped where they are absent."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from oceanpath.stats.panel import evaluate
from oceanpath.stats.resample import draw_patients

PUBLISHED = Path(__file__).resolve().parents[2] / "../shared/data/stats_validation"


@pytest.fixture(scope="session")
def published():
    if not PUBLISHED.is_dir():
        pytest.skip("the published reference values are not beside the project")
    return json.loads((PUBLISHED / "reference_values.json").read_text())


@pytest.fixture(scope="session")
def asah():
    """pROC's aSAH table: outcome Poor, and three markers."""
    if not PUBLISHED.is_dir():
        pytest.skip("the published reference values are not beside the project")
    with (PUBLISHED / "aSAH.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("wfns", "s100b", "ndka")}
    return columns | {
        "poor": np.array([row["outcome"] == "Poor" for row in rows]),
        "female": np.array([row["gender"] == "Female" for row in rows]),
    }


@pytest.fixture
def cohort():
    """Builds labels, probabilities [n, C] and patients with an informative model."""

    def build(n, classes=2, seed=0, per_patient=1, decimals=None):
        rng = np.random.default_rng(seed)
        patient = np.arange(n) // per_patient
        labels = rng.permutation(np.arange(patient.max() + 1) % classes)[patient]
        logits = rng.normal(size=(n, classes))
        logits[np.arange(n), labels] += 1
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        if decimals is not None:
            probs = np.round(probs, decimals)
            probs[:, 0] = 1 - probs[:, 1:].sum(axis=1)
        return labels, probs, [f"p{number:04d}" for number in patient]

    return build


@pytest.fixture
def estimates():
    """All metrics of a table of predictions, each with its interval."""

    def build(labels, probs, patients, folds=None, resamples=2000, seed=42):
        drawn = draw_patients(patients, labels, resamples=resamples, seed=seed)
        return evaluate(labels, probs, drawn, folds).estimates()

    return build
