"""Predictions that are computed once per workspace, so that an interrupted run of the evidence is resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from oceanpath.probing.arms import Arm
from oceanpath.probing.probe import Prediction, predict_probe
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol


def probed(
    folder: Path, name: str, arm: Arm, cohort: ProbeCohort, protocol: Protocol, budget: Budget
) -> list[list[Prediction]]:
    """The predictions of an arm per seed, kept below `folder`, which belongs to this cohort and protocol."""
    files = (folder / str(budget) / f"{name}, {k}.npz" for k in range(len(arm.embeddings)))
    return [
        kept(file, lambda z=z: predict_probe(z, cohort, protocol, budget, arm.kind))  # type: ignore[misc]  # bound by its default
        for file, z in zip(files, arm.embeddings, strict=True)
    ]


def kept(path: Path, compute: Callable[[], Sequence[Prediction]]) -> list[Prediction]:
    """The predictions of a file; if it does not exist they are computed and written."""
    if not path.is_file():
        _write(path, compute())
    with np.load(path) as arrays:
        numbers, values = arrays["numbers"], arrays["probabilities"]
    trials = np.unique(numbers[:, :2], axis=0)
    own = [(numbers[:, :2] == trial).all(axis=1) for trial in trials]
    return [
        Prediction(int(fold), int(draw), numbers[rows, 2], values[rows])
        for (fold, draw), rows in zip(trials, own, strict=True)
    ]


def _write(path: Path, predictions: Sequence[Prediction]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = np.array([(one.fold, one.draw, row) for one in predictions for row in one.rows])
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, numbers=numbers, probabilities=np.concatenate([one.probabilities for one in predictions]))
    partial.replace(path)
