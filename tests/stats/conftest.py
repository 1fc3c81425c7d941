"""Published tables for the statistics, beside the project; tests that use them are skipped where they are absent."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oceanpath.stats.estimate import Estimate
from oceanpath.stats.panel import evaluate
from oceanpath.stats.resample import draw_patients

PUBLISHED = Path(__file__).resolve().parents[2] / "../shared/data/stats_validation"


@pytest.fixture(scope="session")
def published() -> Any:
    if not PUBLISHED.is_dir():
        pytest.skip("the published reference values are not beside the project")
    return json.loads((PUBLISHED / "reference_values.json").read_text())


@pytest.fixture(scope="session")
def asah() -> dict[str, np.ndarray]:
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
def cohort() -> Callable[..., tuple[np.ndarray, np.ndarray, list[str]]]:
    """Builds labels, probabilities [n, C] and patients with an informative model."""

    def build(
        n: int, classes: int = 2, seed: int = 0, per_patient: int = 1, decimals: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
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
def estimates() -> Callable[..., Mapping[str, Estimate]]:
    """All metrics of a table of predictions, each with its interval."""

    def build(
        labels: np.ndarray,
        probs: np.ndarray,
        patients: Sequence[str],
        folds: np.ndarray | None = None,
        resamples: int = 2000,
        seed: int = 42,
    ) -> Mapping[str, Estimate]:
        drawn = draw_patients(patients, labels, resamples=resamples, seed=seed)
        return evaluate(labels, probs, drawn, folds).estimates()

    return build
