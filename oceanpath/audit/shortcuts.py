"""Properties of slides other than tissue that predict the label, such as bag length, site and scanner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.audit_report import NOT_CHECKED, Finding, verdict
from oceanpath.evaluation.pooled import DECIMALS
from oceanpath.stats.paired import PairedDifference, resampled_difference
from oceanpath.stats.resample import Bootstrap, Resamples, draw_patients
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats, Targets

BINS = 10
"""Groups of equal size of a number, and at least `PER_BIN` slides in each."""
PER_BIN = 5
LARGEST_SHARE_OF_VALUES = 0.5
"""A column with more different values than this share of the slides identifies slides."""
Matrix = NDArray[np.float32]
Folds = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
"""Rows that each fold is fitted to, and rows that it tests."""


@dataclass(frozen=True)
class LabelledSlides:
    """The slides of a cross-validation, one row per slide, sorted by id."""

    task: Task
    targets: Targets
    patients: list[str]
    folds: Folds
    drawn: Resamples
    """Resamples of the tested rows."""
    confidence: float = 0.95

    @property
    def tested(self) -> NDArray[np.int64]:
        """The tested rows, sorted."""
        return np.sort(np.concatenate([test for _, test in self.folds]))

    def predict(self, x: Matrix, targets: Targets | None = None) -> Floats:
        """Values [t, K] of the tested rows by the linear baseline of the task on `x` [n, D]."""
        own = self.targets if targets is None else targets
        parts = [(test, self.task.fit_baseline(x[fit], own[fit], x[test])) for fit, test in self.folds]
        values = np.zeros((len(own), parts[0][1].shape[1]))
        for test, part in parts:
            values[test] = part
        return np.round(values[self.tested], DECIMALS)

    def advantage(self, x: Matrix, targets: Targets | None = None) -> tuple[float | None, PairedDifference]:
        """The metric of a prediction from `x`, and its difference from that of a constant prediction."""
        own = self.targets if targets is None else targets
        constant = self.task.constant_baseline([own[fit] for fit, _ in self.folds])
        model = self._evaluate(own, self.predict(x, own))
        chance = self._evaluate(own, np.tile(constant, (len(self.tested), 1)))
        # Resampled: a perfect prediction has no variance, but percentiles.
        difference = resampled_difference(model, chance, (self.metric, self.metric), self.confidence)
        return model.values[self.metric], difference

    @property
    def metric(self) -> str:
        """The main metric within folds, where the task has one: a fold with few slides shifts all its predictions."""
        return self.task.within_folds or self.task.main_metric

    def _evaluate(self, targets: Targets, values: Floats) -> Bootstrap:
        fold = np.concatenate([np.full(len(test), number) for number, (_, test) in enumerate(self.folds)])
        order = np.argsort(np.concatenate([test for _, test in self.folds]))
        return self.task.evaluate(targets[self.tested], values, self.drawn, fold[order])


def make_labelled(
    task: Task, labels: Sequence[str], patients: list[str], folds: Folds, resamples: int, seed: int
) -> LabelledSlides:
    """The slides with resamples of the tested patients."""
    targets = task.targets(labels)
    tested = np.sort(np.concatenate([test for _, test in folds]))
    drawn = draw_patients(
        [patients[row] for row in tested],
        task.resampling_strata(targets[tested]),
        resamples=resamples,
        seed=seed,
    )
    return LabelledSlides(task, targets, patients, folds, drawn)


def as_groups(values: Sequence[str]) -> Matrix:
    """One column per value [n, V]."""
    _, numbers = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return np.eye(int(numbers.max()) + 1, dtype=np.float32)[numbers]


def as_bins(numbers: NDArray[np.float64]) -> Matrix:
    """One column per group of equal size [n, B]: also relations that are not monotone are found."""
    bins = max(2, min(BINS, len(numbers) // PER_BIN))
    ranks = np.unique(numbers, return_inverse=True)[1]
    edges = np.quantile(ranks, np.linspace(0, 1, bins + 1)[1:-1])
    return as_groups([str(group) for group in np.searchsorted(edges, ranks, side="left")])


def label_from(slides: LabelledSlides, check: str, name: str, x: Matrix, margin: float) -> Finding:
    """Whether `name` predicts the label: the interval excludes chance, and the advantage is at least `margin`."""
    if x.shape[1] < 2:
        return Finding(check, NOT_CHECKED, f"{name}: all slides have the same value")
    value, difference = slides.advantage(x)
    if value is None or difference.value is None or difference.low is None:
        return Finding(check, NOT_CHECKED, f"{name}: {difference.reason}")
    is_found = difference.low > 0 and difference.value >= margin
    words = "predicts" if is_found else "does not predict"
    title, chance = slides.task.main_title, value - difference.value
    low, high = chance + difference.low, chance + (difference.high or 0)
    text = f"{name} {words} the label: {title} {value:.3f} ({low:.3f} to {high:.3f}), chance {chance:.3f}"
    return Finding(check, verdict(is_found), text, value, chance + margin)


def label_from_column(slides: LabelledSlides, check: str, name: str, cells: Sequence[str], margin: float) -> Finding:
    """The same for a column of text; a column with nearly one value per slide is not checked."""
    if len(set(cells)) > LARGEST_SHARE_OF_VALUES * len(cells):
        return Finding(check, NOT_CHECKED, f"{name}: {len(set(cells))} values for {len(cells)} slides")
    return label_from(slides, check, name, as_groups(cells), margin)


def shuffled_labels(slides: LabelledSlides, x: Matrix, shuffles: int, seed: int, margin: float) -> Finding:
    """The baseline on mean features with labels shuffled between patients, which must not exceed chance."""
    value, _ = slides.advantage(x)
    random = np.random.default_rng(seed)
    names, first, numbers = np.unique(np.asarray(slides.patients), return_index=True, return_inverse=True)
    own, gains, above = slides.targets[first], [], 0
    for _ in range(shuffles):
        shuffled, difference = slides.advantage(x, own[random.permutation(len(names))][numbers])
        if shuffled is not None and difference.value is not None:
            gains.append(difference.value)
            above += value is not None and shuffled >= value
    if value is None or len(gains) < 2:
        return Finding("label_shuffle", NOT_CHECKED, "too few slides of a class in the folds")
    mean, error = float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
    is_found = mean >= margin and mean > 2 * error
    p = (1 + above) / (1 + len(gains))
    text = (
        f"with labels shuffled between patients, mean features are {mean:+.3f} {slides.task.main_title} from chance "
        f"(mean of {len(gains)}); with the true labels the value is {value:.3f}, p = {p:.3f}"
    )
    return Finding("label_shuffle", verdict(is_found), text, mean, margin)
