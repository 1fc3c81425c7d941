"""The metrics of an evaluation by other code than the project's: scikit-learn and plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

Values = dict[str, float]
Measure = Callable[[np.ndarray, np.ndarray], float]
CONFUSION: dict[str, Measure] = {
    "accuracy": sk.accuracy_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": lambda y, d: sk.f1_score(y, d, average="macro"),
    "mcc": sk.matthews_corrcoef,
    "kappa": sk.cohen_kappa_score,
    "kappa_quadratic": lambda y, d: sk.cohen_kappa_score(y, d, weights="quadratic"),
}
BINARY: dict[str, Measure] = {
    "sensitivity": lambda y, d: sk.recall_score(y, d, pos_label=1),
    "specificity": lambda y, d: sk.recall_score(y, d, pos_label=0),
    "ppv": lambda y, d: float(np.mean(y[d == 1] == 1)) if (d == 1).any() else np.nan,
    "npv": lambda y, d: float(np.mean(y[d == 0] == 0)) if (d == 0).any() else np.nan,
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
            "log_loss": sk.log_loss(table.y, table.p, labels=list(range(table.p.shape[1]))),
            "brier_scaled": scaled_brier(table),
        }
    )


def scaled_brier(table: Table) -> float:
    shares = np.bincount(table.y, minlength=table.p.shape[1]) / len(table.y)
    own, constant = (np.sum((p - np.eye(len(shares))[table.y]) ** 2) for p in (table.p, shares))
    return float(1 - own / constant)


def not_resampled(table: Table) -> Values:
    """Metrics of the rows alone; NaN where undefined."""
    if table.p.shape[1] == 2:
        score, hit = table.p[:, 1], (table.y == 1).astype(float)
    else:
        score, hit = table.p.max(axis=1), (table.p.argmax(axis=1) == table.y).astype(float)
    found = equal_mass(score, hit) | {"ici": ici(score, hit), "ece": ece(table)}
    folds = [table.take(table.fold == k) for k in sorted(set(table.fold.tolist()))]
    found["auroc_fold_mean"] = float(np.mean([auroc(fold)["auroc"] for fold in folds]))
    if table.p.shape[1] > 2:
        found["auroc_hand_till"] = hand_till(table)
    x = np.log(score / (1 - score))
    fit = LogisticRegression(C=1e12, tol=1e-12, max_iter=10_000).fit(x[:, None], hit) if np.ptp(score) else None
    found["calibration_intercept"] = fit.intercept_[0] if fit else np.nan
    found["calibration_slope"] = fit.coef_[0, 0] if fit else np.nan
    return found


def hand_till(table: Table) -> float:
    classes, areas = sorted(set(table.y.tolist())), []
    for i in classes:
        for j in classes:
            if i != j:
                own = (table.y == i) | (table.y == j)
                areas.append(sk.roc_auc_score(table.y[own] == i, table.p[own, i]))
    return float(np.mean(areas))


def equal_mass(score: np.ndarray, hit: np.ndarray) -> Values:
    edges = [np.quantile(score, k / 10) for k in range(1, 10)]
    bins: dict[int, list[int]] = {}
    for i, p in enumerate(score):
        bins.setdefault(sum(p > edge for edge in edges), []).append(i)
    gap = sum(abs(np.sum(hit[rows] - score[rows])) for rows in bins.values()) / len(score)
    large = [rows for rows in bins.values() if len(rows) > 1]
    squares = [np.mean(hit[rows] - score[rows]) ** 2 - np.var(hit[rows], ddof=1) / len(rows) for rows in large]
    mean = np.average(squares, weights=[len(rows) for rows in large])
    return {"ece_equal_mass": float(gap), "ece_debiased": math.sqrt(max(0.0, mean))}


def ici(score: np.ndarray, hit: np.ndarray) -> float:
    grid = sorted({float(np.quantile(score, k / 50)) for k in range(51)})
    smooth = []
    for at in grid:
        distance = np.abs(score - at)
        reach = np.sort(distance)[math.ceil(0.75 * len(score)) - 1]
        weight = (1 - np.minimum(distance / reach, 1) ** 3) ** 3 if reach else np.ones(len(score))
        near = weight > 0
        if len(set(score[near].tolist())) > 1:
            smooth.append(float(np.polyfit(score[near] - at, hit[near], 1, w=np.sqrt(weight[near]))[1]))
        else:
            smooth.append(float(np.average(hit, weights=weight)))
    return float(np.mean(np.abs(np.interp(score, grid, np.clip(smooth, 0, 1)) - score)))


Ends = tuple[float, float] | None


def closed(table: Table, decisions: np.ndarray, confidence: float) -> dict[str, Ends]:
    """Intervals without resampling, by plain loops: metric -> (low, high) or None."""
    found = {"auroc": logit_delong(table, confidence, {1: range(len(table.y))})}
    folds = {k: np.flatnonzero(table.fold == k) for k in sorted(set(table.fold.tolist()))}
    found["auroc_within_folds"] = logit_delong(table, confidence, folds)
    right = decisions == table.y
    found["accuracy"] = wilson(right, table.patient, confidence)
    if table.p.shape[1] == 2:
        found["sensitivity"] = wilson(right[table.y == 1], table.patient[table.y == 1], confidence)
        found["specificity"] = wilson(right[table.y == 0], table.patient[table.y == 0], confidence)
        found["ppv"] = wilson(right[decisions == 1], table.patient[decisions == 1], confidence)
        found["npv"] = wilson(right[decisions == 0], table.patient[decisions == 0], confidence)
    return found


Groups = Mapping[int, Sequence[int] | np.ndarray]


def area_influence(table: Table, groups: Groups) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean over the judged classes of the area over pairs of the same group; every pair is counted one by one.

    Returns: area, influence and leverage of every row.
    """
    n, judged = len(table.y), table.judged()
    influence, leverage, area = np.zeros(n), np.zeros(n), 0.0
    for c in judged:
        counts = {k: [np.sum(table.y[list(r)] == c), np.sum(table.y[list(r)] != c)] for k, r in groups.items()}
        pairs = sum(up * down for up, down in counts.values())
        for k, rows in groups.items():
            up, down = ([i for i in rows if (table.y[i] == c) == is_up] for is_up in (True, False))
            if not up or not down:
                continue
            wins = np.array(
                [[(table.p[i, c] > table.p[j, c]) + 0.5 * (table.p[i, c] == table.p[j, c]) for j in down] for i in up]
            )
            weight = counts[k][0] * counts[k][1] / pairs / len(judged)
            area += weight * wins.mean()
            for place, i in enumerate(up):
                influence[i] += weight * (wins[place].mean() - wins.mean()) / len(up)
                leverage[i] += weight / len(up)
            for place, j in enumerate(down):
                influence[j] += weight * (wins[:, place].mean() - wins.mean()) / len(down)
                leverage[j] += weight / len(down)
    return area, influence, leverage


def logit_delong(table: Table, confidence: float, groups: Groups) -> Ends:
    area, influence, leverage = area_influence(table, groups)
    parts, dofs, steps = [], [], []
    for c in sorted(set(table.y.tolist())):
        own = table.y == c
        centred = influence[own] - influence[own].mean()
        names = sorted(set(table.patient[own]))
        if len(names) < 4:
            return None
        summed = [centred[table.patient[own] == name].sum() for name in names]
        levers = [leverage[own][table.patient[own] == name].sum() for name in names]
        square = sum(value**2 for value in summed)
        separate, together = np.sum(leverage[own] ** 2), sum(value**2 for value in levers)
        most = together / separate
        effect = most if square < 1e-15 else min(max(1, square / np.sum(centred**2)), most)
        steps.append(separate * math.sqrt(effect * most) / leverage[own].sum())
        extra = 0.08 * (area - 0.5) ** 2 * steps[-1] ** 2
        parts.append(square * len(names) / (len(names) - 1) + extra)
        dofs.append(len(names) - 1)
    if (total := sum(parts)) <= 1e-15:
        return None
    centre = area + 0.125 * (0.5 - area) * sum(steps)
    freedom = total**2 / sum(part**2 / dof for part, dof in zip(parts, dofs, strict=True))
    half = stats.t.ppf((1 + confidence) / 2, freedom) * math.sqrt(total) / (centre * (1 - centre))
    middle = math.log(centre / (1 - centre))
    low, high = (1 / (1 + math.exp(-(middle + side))) for side in (-half, half))
    return min(low, float(area)), max(high, float(area))


def wilson(hits: np.ndarray, patients: np.ndarray, confidence: float) -> Ends:
    names = sorted(set(patients))
    if len(names) < 5:
        return None
    share, n = hits.mean(), len(hits)
    sizes = [np.sum(patients == name) for name in names]
    most = sum(size**2 for size in sizes) / n
    sums = [np.sum(hits[patients == name] - share) for name in names]
    if share in (0, 1):
        effect = most
    else:
        between = sum(value**2 for value in sums) * len(names) / (len(names) - 1)
        effect = min(max(1, between / (n * share * (1 - share))), most)
    k = stats.t.ppf((1 + confidence) / 2, len(names) - 1) ** 2 * effect / n
    half = math.sqrt(k * share * (1 - share) + k**2 / 4) / (1 + k)
    centre = (share + k / 2) / (1 + k)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def paired(table: Table, other: np.ndarray, confidence: float) -> tuple[float, float, float]:
    """Interval and p-value of the area of a table minus that of other probabilities of its rows."""
    second = table.take(np.arange(len(table.y)))
    second.p = other
    (a, one, _), (b, two, _) = (area_influence(rows, {1: range(len(table.y))}) for rows in (table, second))
    variance, freedom = clustered(table, one - two, is_centred=True)
    p = 2 * stats.t.sf(abs(a - b) / math.sqrt(variance), freedom)
    own = [clustered(table, influence, is_centred=True)[0] for influence in (one, two)]
    rho = (own[0] + own[1] - variance) / (2 * math.sqrt(own[0] * own[1])) if min(own) > 0 else 0
    first_ends, second_ends = (logit_delong(rows, confidence, {1: range(len(table.y))}) for rows in (table, second))
    if first_ends is None or second_ends is None:  # no variance of ranks, as of constant predictions
        half = stats.t.ppf((1 + confidence) / 2, freedom) * math.sqrt(variance)
        return a - b - half, a - b + half, p
    (la, ua), (lb, ub) = first_ends, second_ends
    down = math.sqrt((a - la) ** 2 + (ub - b) ** 2 - 2 * rho * (a - la) * (ub - b))
    up = math.sqrt((ua - a) ** 2 + (b - lb) ** 2 - 2 * rho * (ua - a) * (b - lb))
    return a - b - down, a - b + up, p


def clustered(table: Table, influence: np.ndarray, is_centred: bool) -> tuple[float, float]:
    """Variance and degrees of freedom; here all slides of a patient have the same class."""
    parts, dofs = [], []
    for c in sorted(set(table.y.tolist())):
        own = table.y == c
        values = influence[own] - influence[own].mean() * is_centred
        names = sorted(set(table.patient[own]))
        square = sum(values[table.patient[own] == name].sum() ** 2 for name in names)
        parts.append(square * len(names) / (len(names) - 1))
        dofs.append(len(names) - 1)
    if not sum(parts):
        return 0.0, 1.0
    return sum(parts), sum(parts) ** 2 / sum(part**2 / dof for part, dof in zip(parts, dofs, strict=True))


def weighted(name: str, table: Table, decisions: np.ndarray, weights: np.ndarray) -> float:
    """A metric of weighted rows, by scikit-learn."""
    y, p = table.y, table.p
    if name in WEIGHTED:
        return float(WEIGHTED[name](y, decisions, sample_weight=weights))
    if name == "auprc":
        areas = [sk.average_precision_score(y == c, p[:, c], sample_weight=weights) for c in table.judged()]
        return float(np.mean(areas))
    if name == "log_loss":
        return float(sk.log_loss(y, p, labels=list(range(p.shape[1])), sample_weight=weights))
    own = sk.brier_score_loss(y, p[:, 1], sample_weight=weights)
    share = np.average(y, weights=weights)
    return float(own if name == "brier" else 1 - own / (share * (1 - share)))


WEIGHTED: dict[str, Callable[..., float]] = {
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": lambda y, d, sample_weight: sk.f1_score(y, d, average="macro", sample_weight=sample_weight),
    "mcc": sk.matthews_corrcoef,
    "kappa": sk.cohen_kappa_score,
    "kappa_quadratic": lambda y, d, sample_weight: sk.cohen_kappa_score(
        y, d, weights="quadratic", sample_weight=sample_weight
    ),
}
SMOOTH = (*WEIGHTED, "auprc", "brier", "log_loss", "brier_scaled")
LOGIT = (lambda x: math.log(x / (1 - x)), lambda y: 1 / (1 + math.exp(-y)))
FISHER = (math.atanh, math.tanh)
SCALES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    **dict.fromkeys(("balanced_accuracy", "f1", "auprc"), LOGIT),
    **dict.fromkeys(("mcc", "kappa", "kappa_quadratic"), FISHER),
    **dict.fromkeys(("brier", "log_loss"), (math.log, math.exp)),
    "brier_scaled": (lambda x: -math.log(1 - x), lambda y: 1 - math.exp(-y)),
}


def smooth(name: str, table: Table, decisions: np.ndarray, confidence: float) -> Ends:
    """Interval of one metric of `SMOOTH`: weights of single rows are varied, on the scale of the interval."""
    patients_of = [len(set(table.patient[table.y == c])) for c in set(table.y.tolist())]
    rare = len(set(table.patient[decisions != np.bincount(decisions).argmax()]))
    if min(patients_of) < 4 or (name in WEIGHTED and rare < 4):
        return None
    n, step, (forward, back) = len(table.y), 1e-4, SCALES[name]
    value = weighted(name, table, decisions, np.ones(n))
    influence = np.empty(n)
    for row in range(n):
        up, down = (np.where(np.arange(n) == row, 1 + side, 1.0) for side in (step, -step))
        ends = [forward(weighted(name, table, decisions, weights)) for weights in (up, down)]
        influence[row] = (ends[0] - ends[1]) / (2 * step)
    variance, freedom = clustered(table, influence, is_centred=False)
    half = stats.t.ppf((1 + confidence) / 2, freedom) * math.sqrt(variance)
    return back(forward(value) - half), back(forward(value) + half)
