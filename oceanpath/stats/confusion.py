"""Numbers of the confusion table: accuracy, balanced accuracy, macro F1, MCC, kappas and the rates of two classes.

Tables are [..., C, C]: rows are true classes, columns are decisions. A class stays at its own number whether or not it
occurs. Balanced accuracy is the mean recall over the classes with rows; macro F1 the mean over the classes that are
true or decided somewhere. MCC is the multi-class form (Gorodkin 2004, eq. 8), kappa Cohen's (1960), quadratic kappa its
form with squared distances of ordered classes as weights (Cohen 1968); for two classes both are equal. Where decisions
never vary but labels do, MCC is 0, its limit (Chicco and Jurman 2020), as kappa is by its formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats, SumMeasure


def confusion(labels: NDArray[np.int64], decisions: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Table [C, C] of counts; row: true class, column: decision."""
    flat = np.bincount(labels * n_classes + decisions, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def confusion_measure(labels: NDArray[np.int64], decisions: NDArray[np.int64], n_classes: int) -> SumMeasure:
    """The measure of `table_metrics`; a column per cell of the table.

    Args:
        labels: [n] class numbers.
        decisions: [n] class numbers.
        n_classes: C.
    """
    cells = np.zeros((len(labels), n_classes**2))
    cells[np.arange(len(labels)), labels * n_classes + decisions] = 1.0

    return SumMeasure(cells, lambda sums: table_metrics(sums.reshape(-1, n_classes, n_classes)))


def table_metrics(tables: Floats) -> dict[str, Floats]:
    """Metric → values [R] of tables [R, C, C], NaN where undefined.

    Names: accuracy, balanced_accuracy, f1, mcc, kappa, kappa_quadratic; with C = 2 also sensitivity,
    specificity, ppv and npv of the last class.
    """
    tables = np.asarray(tables, np.float64)
    hits = np.einsum("rcc->rc", tables)
    true, decided = tables.sum(axis=2), tables.sum(axis=1)
    total = true.sum(axis=1)
    recall = _ratio(hits, true)
    f1 = _ratio(2 * hits, true + decided)
    found = {
        "accuracy": _ratio(hits.sum(axis=1), total),
        "balanced_accuracy": _mean(recall),
        "f1": _mean(f1),
        "mcc": _mcc(hits.sum(axis=1), true, decided, total),
        "kappa": _kappa(hits.sum(axis=1), true, decided, total),
        "kappa_quadratic": _quadratic_kappa(tables, true, decided, total),
    }
    if tables.shape[1] == 2:
        found |= {"sensitivity": recall[:, 1], "specificity": recall[:, 0]}
        precision = _ratio(hits, decided)
        found |= {"ppv": precision[:, 1], "npv": precision[:, 0]}
    return found


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Top / bottom, NaN where bottom is 0."""
    ratio: Floats = np.divide(top, bottom, out=np.full(np.shape(bottom), np.nan), where=bottom > 0)
    return ratio


def _mean(values: Floats) -> Floats:
    """Mean [R] of [R, C] over the entries that exist; NaN where none does."""
    exists = ~np.isnan(values)
    return _ratio(np.where(exists, values, 0.0).sum(axis=1), exists.sum(axis=1).astype(np.float64))


def _mcc(hits: Floats, true: Floats, decided: Floats, total: Floats) -> Floats:
    covariance = hits * total - (true * decided).sum(axis=1)
    spread_true = total**2 - (true**2).sum(axis=1)
    spread_decided = total**2 - (decided**2).sum(axis=1)
    value = np.where(spread_decided > 0, _ratio(covariance, np.sqrt(spread_true * spread_decided)), 0.0)
    return np.where(spread_true > 0, value, np.nan)


def _kappa(hits: Floats, true: Floats, decided: Floats, total: Floats) -> Floats:
    chance = (true * decided).sum(axis=1)
    value = _ratio(hits * total - chance, total**2 - chance)
    return np.where((true > 0).sum(axis=1) > 1, value, np.nan)


def _quadratic_kappa(tables: Floats, true: Floats, decided: Floats, total: Floats) -> Floats:
    """1 - observed / expected squared distance between true and decided class."""
    numbers = np.arange(tables.shape[1], dtype=np.float64)
    distance = (numbers[:, None] - numbers) ** 2
    observed = np.einsum("rij,ij->r", tables, distance) * total
    expected = np.einsum("ri,ij,rj->r", true, distance, decided)
    return np.where((true > 0).sum(axis=1) > 1, 1 - _ratio(observed, expected), np.nan)
