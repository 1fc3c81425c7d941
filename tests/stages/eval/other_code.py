"""The metrics of an evaluation by other code than the project's: scikit-learn and plain loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn import metrics as sk

Values = dict[str, float]
Measure = Callable[[np.ndarray, np.ndarray], float]
CONFUSION: dict[str, Measure] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": lambda y, d: sk.f1_score(y, d, average="macro"),
    "mcc": sk.matthews_corrcoef,
    "kappa": sk.cohen_kappa_score,
}
BINARY: dict[str, Measure] = {
    "sensitivity": lambda y, d: sk.recall_score(y, d, pos_label=1),
    "specificity": lambda y, d: sk.recall_score(y, d, pos_label=0),
}


class Table:
    """Rows of one level as plain arrays."""

    def __init__(self, frame: pd.DataFrame, classes: list[str]) -> None:
        self.y = np.array([classes.index(name) for name in frame["label"]])
        self.p = np.array([[row[f"prob_{name}"] for name in classes] for _, row in frame.iterrows()])
        self.fold, self.patient = frame["fold"].to_numpy(), frame["patient_id"].to_numpy()

    def take(self, rows: np.ndarray) -> Table:
        taken = object.__new__(Table)
        taken.y, taken.p, taken.fold, taken.patient = self.y[rows], self.p[rows], self.fold[rows], self.patient[rows]
        return taken

    def judged(self) -> Sequence[int]:
        return [1] if self.p.shape[1] == 2 else range(self.p.shape[1])


def within_folds(table: Table, c: int) -> float:
    right = total = 0.0
    for fold in set(table.fold.tolist()):
        up = table.p[(table.fold == fold) & (table.y == c), c]
        down = table.p[(table.fold == fold) & (table.y != c), c]
        for score in up:
            right += np.sum(score > down) + 0.5 * np.sum(score == down)
        total += len(up) * len(down)
    return right / total


def ece(table: Table) -> float:
    """Ten bins (low, high], the first one with 0."""
    if table.p.shape[1] == 2:
        score, hit = table.p[:, 1], table.y == 1
    else:
        score, hit = table.p.max(axis=1), table.p.argmax(axis=1) == table.y
    gap = 0.0
    for low in range(10):
        inside = [i for i, s in enumerate(score) if low / 10 < s <= (low + 1) / 10 or (low == 0 and s == 0)]
        gap += abs(sum(score[i] - hit[i] for i in inside))
    return gap / len(score)


def brier(table: Table) -> float:
    if table.p.shape[1] == 2:
        return float(np.mean([(p - y) ** 2 for p, y in zip(table.p[:, 1], table.y, strict=True)]))
    return float(
        np.mean([sum((p[c] - (y == c)) ** 2 for c in range(len(p))) for p, y in zip(table.p, table.y, strict=True)])
    )


def decided(table: Table) -> np.ndarray:
    return (table.p[:, 1] >= 0.5).astype(int) if table.p.shape[1] == 2 else table.p.argmax(axis=1)


def confusion(table: Table, decisions: np.ndarray) -> Values:
    wanted = CONFUSION | (BINARY if table.p.shape[1] == 2 else {})
    return {name: measure(table.y, decisions) for name, measure in wanted.items()}


def auroc(table: Table) -> Values:
    return {"auroc": np.mean([sk.roc_auc_score(table.y == c, table.p[:, c]) for c in table.judged()])}


def everything(table: Table) -> Values:
    return (
        auroc(table)
        | confusion(table, decided(table))
        | {
            "auprc": np.mean([sk.average_precision_score(table.y == c, table.p[:, c]) for c in table.judged()]),
            "auroc_within_folds": np.mean([within_folds(table, c) for c in table.judged()]),
            "brier": brier(table),
            "ece": ece(table),
        }
    )


def drawn(table: Table, count: int, seed: int) -> tuple[list[np.ndarray], int]:
    """Rows of each of `count` resamples, and how many were drawn again because a class was missing."""
    patients = sorted(set(table.patient))
    rows_of = [np.flatnonzero(table.patient == name) for name in patients]
    random, classes = np.random.default_rng(seed), set(table.y.tolist())

    def draw(lines: int) -> list[np.ndarray]:
        chosen = random.integers(0, len(patients), (lines, len(patients)))
        return [np.concatenate([rows_of[i] for i in line]) for line in chosen]

    resamples, again = draw(count), 0
    while lacking := [i for i, rows in enumerate(resamples) if set(table.y[rows].tolist()) != classes]:
        again += len(lacking)
        for i, rows in zip(lacking, draw(len(lacking)), strict=True):
            resamples[i] = rows
    return resamples, again
