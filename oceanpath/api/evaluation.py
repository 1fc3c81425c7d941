"""Metrics of predictions with patient-level intervals, and comparisons of two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from oceanpath.api.html import html_table
from oceanpath.artifacts.predictions import read_cv_results, read_oof
from oceanpath.errors import ExperimentError
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.paired import PairedDifference, paired_difference
from oceanpath.stats.resample import Bootstrap, Resamples, draw_patients
from oceanpath.tasks.evaluation import ModelPair, PairOptions
from oceanpath.tasks.proposals import propose_targets
from oceanpath.tasks.registry import CLASSIFICATION, make_task, read_task, task_entry

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from oceanpath.tasks.base import Task
    from oceanpath.tasks.evaluation import Floats

HEAD = ("metric", "value", "low", "high", "n", "patients", "reason")


@dataclass(frozen=True)
class Metrics:
    """All metrics of the predictions of one model, each with an interval that resamples patients."""

    task: Task
    labels: Sequence[str]
    values: Floats
    """[n, K] predictions."""
    patients: Sequence[str]
    resampled: Bootstrap
    confidence: float = 0.95
    """Confidence level of the intervals."""

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Metric → value, interval, number of rows, or the reason why it is undefined."""
        return dict(self.resampled.estimates(self.confidence))

    def __getitem__(self, name: str) -> Estimate:
        return self.estimates[name]

    def table(self) -> pd.DataFrame:
        """One row per metric: value, low, high, n, patients, reason; indexed by metric."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=list(HEAD)).set_index("metric")

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (name, each.value, each.low, each.high, each.n, each.n_patients, each.reason)
            for name, each in self.estimates.items()
        ]

    def __repr__(self) -> str:
        main = self[self.task.main_metric]
        return f"Metrics({self.task.main_metric} {_with_interval(main)}, {main.n} slides, {main.n_patients} patients)"

    def _repr_html_(self) -> str:
        return html_table(f"Metrics with {100 * self.confidence:g} % intervals", HEAD, self._rows())


def metrics(
    labels: ArrayLike,
    values: ArrayLike,
    patients: Sequence[str] | ArrayLike | None = None,
    *,
    task: str = CLASSIFICATION,
    resamples: int = 2000,
    seed: int = 42,
    **keys: Any,
) -> Metrics:
    """All metrics of a task for given predictions, as the evaluation reports them.

        >>> import oceanpath as op
        >>> labels, scores = [0, 0, 0, 1, 1, 1], [0.1, 0.4, 0.6, 0.4, 0.8, 0.9]
        >>> result = op.metrics(labels, scores, patients=["a", "b", "c", "d", "e", "f"], resamples=200)
        >>> round(result["auroc"].value, 3)
        0.833
        >>> result["auroc"].n_patients
        6

    Args:
        labels: [n] labels. Text needs the keys of the task, which state their order: ``classes=["NR", "R"]``.
        values: [n, K] predictions of the task, for classes the probabilities in this order; of two, [n] values of the
            second suffice.
        patients: [n] patient of each slide; default: every slide is from another patient.
        task: The task: classification, or one that `[data] task` accepts.
        resamples: Number of resamples of the patients.
        seed: Seed of the resamples.
        keys: Keys of `[data]` that belong to the task.

    Raises: ExperimentError: a label or key is wrong, or lengths differ.
    """
    texts = [str(label) for label in np.asarray(labels).tolist()]
    target = make_task(task, keys or _keys(task, np.asarray(labels), texts))
    predicted = _columns(np.asarray(values, np.float64), len(target.columns))
    people = [str(i) for i in range(len(texts))] if patients is None else [str(each) for each in np.asarray(patients)]
    if not len(texts) == len(predicted) == len(people):
        got = f"{len(texts)} labels, {len(predicted)} predictions, {len(people)} patients"
        raise ExperimentError("lengths differ", expected="one of each per slide", got=got)
    target.validate_labels(texts, "labels")
    return _evaluate(target, texts, predicted, people, _Draw(resamples, seed))


@dataclass(frozen=True)
class Comparison:
    """The metrics of one model minus those of another, on the same slides."""

    first: Metrics
    second: Metrics
    differences: Mapping[str, PairedDifference]
    """Metric → difference, with an interval and a p-value from resampled patients."""
    tests: Mapping[str, Mapping[str, Any]]
    """Name of a test of the task, with patients as clusters → its values, with "p" and where undefined "reason"."""

    def table(self) -> pd.DataFrame:
        """One row per metric: first, second, difference, low, high, p; indexed by metric."""
        import pandas as pd

        return pd.DataFrame(self._rows(), columns=["metric", *DIFFERENCE]).set_index("metric")

    def _rows(self) -> list[tuple[object, ...]]:
        first, second = self.first.resampled.values, self.second.resampled.values
        return [
            (name, first[name], second[name], each.value, each.low, each.high, each.p)
            for name, each in self.differences.items()
        ]

    def __repr__(self) -> str:
        main = self.first.task.main_metric
        each = self.differences[main]
        return f"Comparison({main} {_with_interval(each)}, p {each.p}, {each.verdict})"

    def _repr_html_(self) -> str:
        title = "First minus second" + "".join(f"; {name}: p {test.get('p')}" for name, test in self.tests.items())
        return html_table(title, ["metric", *DIFFERENCE], self._rows())


DIFFERENCE = ("first", "second", "difference", "low", "high", "p")


def compare(
    a: Metrics | str | PathLike[str], b: Metrics | str | PathLike[str], *, resamples: int = 2000, seed: int = 42
) -> Comparison:
    """Two models on the same slides: paired differences of all metrics, and the tests of the task.

        >>> import oceanpath as op
        >>> labels, patients = [0, 0, 0, 1, 1, 1], ["a", "b", "c", "d", "e", "f"]
        >>> one = op.metrics(labels, [0.1, 0.4, 0.6, 0.4, 0.8, 0.9], patients, resamples=200)
        >>> two = op.metrics(labels, [0.1, 0.2, 0.6, 0.3, 0.7, 0.5], patients, resamples=200)
        >>> difference = op.compare(one, two, resamples=200).differences["auroc"]
        >>> round(difference.value, 3)
        0.056

    Args:
        a: Metrics, or a folder of predictions that `train` published.
        b: The other model, on the same slides.
        resamples: Number of resamples of the patients.
        seed: Seed of the resamples.

    Raises: ExperimentError: the slides, labels or patients of the two differ.
    """
    draw = _Draw(resamples, seed)
    first = a if isinstance(a, Metrics) else _published(Path(a), draw)
    second = b if isinstance(b, Metrics) else _published(Path(b), draw)
    for what in ("labels", "patients"):
        if list(getattr(first, what)) != list(getattr(second, what)):
            raise ExperimentError("the two models were evaluated on different slides", got=f"different {what}")
    task, targets = first.task, first.task.targets(first.labels)
    drawn = draw.patients(task, first.labels, first.patients)
    one, two = (task.evaluate(targets, each.values, drawn) for each in (first, second))
    differences = {name: paired_difference(one, two, (name, name)) for name in one.samples if name in two.samples}
    pair = ModelPair(targets, first.values, second.values, drawn.numbers)
    tests = task.test_slides(pair, PairOptions(first.confidence, resamples, seed))
    return Comparison(first, second, differences, tests)


@dataclass(frozen=True)
class _Draw:
    """How patients are resampled."""

    resamples: int
    seed: int

    def patients(self, task: Task, labels: Sequence[str], patients: Sequence[str]) -> Resamples:
        """Resamples of the patients of these rows."""
        strata = task.resampling_strata(task.targets(labels))
        return draw_patients(patients, strata, resamples=self.resamples, seed=self.seed)


def _evaluate(task: Task, labels: Sequence[str], values: Floats, patients: Sequence[str], draw: _Draw) -> Metrics:
    resampled = task.evaluate(task.targets(labels), values, draw.patients(task, labels, patients))
    return Metrics(task, labels, values, patients, resampled)


def _published(folder: Path, draw: _Draw) -> Metrics:
    """The metrics of the test predictions that `train` published."""
    task = read_task(read_cv_results(folder), folder)
    frame = read_oof(folder, task).sort_values("slide_id", ignore_index=True)
    if frame["slide_id"].duplicated().any():
        what = "slides are tested several times"
        raise ExperimentError(what, where=folder, do="Compare such variants with `oceanpath analyze`.")
    return _evaluate(task, frame["label"].tolist(), task.values(frame), frame["patient_id"].tolist(), draw)


def _keys(task: str, labels: Any, texts: Sequence[str]) -> Mapping[str, Any]:
    """The keys of a task for numeric labels, whose order is that of their numbers."""
    if not (needed := task_entry(task).keys):
        return {}
    if labels.dtype.kind not in "biu":
        do = f"State them in the order of the predictions: {needed[0]}=[...]."
        raise ExperimentError("labels are text, whose order is unknown", where="labels", do=do)
    if not (proposals := propose_targets({"label": texts}, task, "label")):
        raise ExperimentError("the labels are no target of the task", where=task, got=", ".join(sorted(set(texts))))
    return {name: value for name, value in proposals[0].keys.items() if name in needed}


def _columns(values: Floats, columns: int) -> Floats:
    """Predictions [n, K]; [n] values are those of the only column, or of the second of two that sum to 1."""
    if values.ndim == 1 and columns <= 2:
        values = values[:, None] if columns == 1 else np.stack([1 - values, values], axis=1)
    if values.ndim != 2 or values.shape[1] != columns:
        raise ExperimentError("wrong shape of predictions", expected=f"[n, {columns}]", got=list(values.shape))
    return values


def _with_interval(each: Estimate | PairedDifference) -> str:
    if each.value is None:
        return f"undefined ({each.reason})"
    interval = f" ({each.low:.3f} to {each.high:.3f})" if each.low is not None and each.high is not None else ""
    return f"{each.value:.3f}{interval}"
