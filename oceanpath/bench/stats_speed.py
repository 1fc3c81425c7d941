"""All metrics of one level with their intervals, compared with a loop over scikit-learn and with drawing the resamples.

CPU time of one thread, alternatives in turn, each at its fastest. The loop computes the metrics that scikit-learn has,
on a fraction of the resamples, and its time is multiplied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.bench.clock import in_turn, spend
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.panel import evaluate
from oceanpath.stats.resample import draw_patients

LOOPS = 20
"""Resamples of the scikit-learn loop."""
LOOP, DRAW, ALL = "scikit-learn loop", "drawing the resamples", "all metrics with intervals"
RESAMPLED = "all metrics on every resample"
"""Only means of comparison: the default intervals need no resamples."""


@dataclass(frozen=True)
class Cost:
    """CPU time of one alternative."""

    case: str
    way: str
    cpu_ms: float
    times_loop: float
    """Speed as a multiple of the loop's."""
    of_draw: float
    """Time as a multiple of drawing the resamples."""


def bench_stats(rows: int, resamples: int, rounds: int, seed: int = 0) -> list[Cost]:
    """Costs at one number of rows, one slide per patient."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < 0.35).astype(np.int64)
    score = 1 / (1 + np.exp(0.6 - 1.2 * labels - rng.normal(size=rows)))
    probs, patients = np.stack([1 - score, score], axis=1), [f"p{i:06d}" for i in range(rows)]
    works = {
        LOOP: lambda: _loop(labels, score, rng),
        DRAW: lambda: draw_patients(patients, labels, resamples=resamples),
        ALL: lambda: evaluate(labels, probs, draw_patients(patients, labels, resamples=resamples)).estimates(),
        RESAMPLED: lambda: dict(evaluate(labels, probs, draw_patients(patients, labels, resamples=resamples)).samples),
    }
    in_turn(works, 1, spend)
    spent = in_turn(works, rounds, spend, 0.2)
    cpu = {name: 1e3 * min(run.cpu for run in runs) for name, runs in spent.items()}
    cpu[LOOP] *= resamples / LOOPS
    case = f"{rows} slides, {resamples} resamples"
    return [Cost(case, name, ms, cpu[LOOP] / ms, ms / cpu[DRAW]) for name, ms in cpu.items()]


def _loop(labels: NDArray[np.int64], score: Floats, rng: np.random.Generator) -> list[list[float]]:
    measures, found = _measures(), []
    for _ in range(LOOPS):
        at = rng.integers(0, len(labels), len(labels))
        y, s = labels[at], score[at]
        found.append([measure(y, s) for measure in measures])
    return found


def _measures() -> list[Callable[[NDArray[np.int64], Floats], float]]:
    """Metrics of (labels, scores) by scikit-learn, as a user would write them."""
    from sklearn import metrics as sk

    return [
        sk.roc_auc_score,
        sk.average_precision_score,
        sk.brier_score_loss,
        sk.log_loss,
        lambda y, s: float(sk.accuracy_score(y, s >= 0.5)),
        lambda y, s: float(sk.balanced_accuracy_score(y, s >= 0.5)),
        lambda y, s: float(sk.f1_score(y, s >= 0.5, average="macro")),
        lambda y, s: float(sk.matthews_corrcoef(y, s >= 0.5)),
        lambda y, s: float(sk.cohen_kappa_score(y, s >= 0.5)),
        lambda y, s: float(sk.recall_score(y, s >= 0.5)),
        lambda y, s: float(sk.recall_score(y, s >= 0.5, pos_label=0)),
        lambda y, s: float(sk.precision_score(y, s >= 0.5)),
        lambda y, s: float(sk.precision_score(y, s >= 0.5, pos_label=0)),
    ]


def stats_table(costs: list[Cost]) -> str:
    """The costs as a Markdown table."""
    lines = ["| data | method | CPU ms | x loop | x drawing |", "|---|---|---|---|---|"]
    lines += [f"| {c.case} | {c.way} | {c.cpu_ms:.1f} | {c.times_loop:.0f} | {c.of_draw:.2f} |" for c in costs]
    return "\n".join(lines)
