"""Stored test predictions against the exported files: the exported model reproduces the evaluated predictions.

The stored predictions were computed in training, from the store, by other code than the files; they are the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import StoredParity
from oceanpath.artifacts.predictions import read_oof
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.predict import predict
from oceanpath.stages.export.runners import Format, Runner
from oceanpath.stages.export.settings import ExportSettings

ELSEWHERE = 1e-3
"""Largest difference between predictions that another device made, such as a GPU, and those of this CPU."""


@dataclass(frozen=True)
class EvaluatedPredictions:
    """Where the evaluated predictions and their inputs are."""

    train: Path
    store: Store
    objective: Objective
    coords: bool
    """Whether the exported files take coordinates."""


def replay(stored: EvaluatedPredictions, runners: Mapping[Format, Runner], settings: ExportSettings) -> StoredParity:
    """Compute stored test predictions of every fold again from each file, and compare.

    A row that torch on this CPU does not reproduce either was computed on another device: there the files are compared
    with torch on this CPU, and torch with the row.

    Raises: StageError: a file differs from what was evaluated, or the checkpoints do; nothing may be published then.
    """
    rows = read_oof(stored.train, stored.objective.task)
    chosen = choose_rows(rows, stored.store, settings.parity_slides, settings.seed)
    names, folds = chosen["slide_id"].tolist(), chosen["fold"].tolist()
    found = {form: _answers(stored, run, names, folds) for form, run in runners.items()}
    wanted = stored.objective.task.values(chosen).copy()
    apart = _worst(found, wanted)
    elsewhere = 0.0
    beyond = np.flatnonzero((apart > settings.tolerance).any(axis=0)).tolist()
    moved = 0
    for row in beyond:
        eager = _eager(stored, names[row], folds[row])
        to_stored = float(np.abs(eager - wanted[row]).max())
        if to_stored > settings.tolerance:
            moved, elsewhere, wanted[row] = moved + 1, max(elsewhere, to_stored), eager
    apart = _worst(found, wanted)
    _validate(apart, list(runners), [f"{name}, fold {fold}" for name, fold in zip(names, folds, strict=True)], settings)
    if elsewhere > ELSEWHERE:
        do = "Nothing was exported. Train again: `oceanpath train --force train`."
        what = "the checkpoints do not give the stored test predictions"
        raise StageError(what, expected=f"at most {ELSEWHERE:g} apart", got=f"{elsewhere:.3g}", do=do)
    return StoredParity(
        rows=len(chosen),
        total=len(rows),
        differences=dict(zip(runners, apart.max(axis=1).tolist(), strict=True)),
        elsewhere=moved,
        elsewhere_difference=elsewhere,
    )


def choose_rows(rows: pd.DataFrame, store: Store, count: int, seed: int) -> pd.DataFrame:
    """All `rows` where they are at most `count`; else `count` of them, spread over the folds and over bag lengths."""
    if len(rows) <= count:
        return rows
    lengths = [store.length(store.number(name)) for name in rows["slide_id"]]
    ordered = rows.assign(length=lengths).sort_values(["fold", "length", "slide_id"], ignore_index=True)
    random = np.random.default_rng(seed)
    folds = [group.index.to_numpy() for _, group in ordered.groupby("fold")]
    chosen = []
    for group in folds:
        wanted = min(len(group), -(-count // len(folds)))
        edges = np.linspace(0, len(group), wanted + 1)
        chosen.append(group[(edges[:-1] + random.random(wanted) * np.diff(edges)).astype(int)])
    return ordered.loc[np.concatenate(chosen), rows.columns].reset_index(drop=True)


def _answers(stored: EvaluatedPredictions, run: Runner, names: list[str], folds: list[int]) -> NDArray[np.float64]:
    """Probabilities [rows, C] that the member of each row's fold in a file gives for its slide of the store."""
    found = []
    for name, fold in zip(names, folds, strict=True):
        number = stored.store.number(name)
        coords = stored.store.coords(number) if stored.coords else None
        features = np.ascontiguousarray(stored.store.features(number), np.float32)[None]
        logits = run(features, None if coords is None else coords.astype(np.float32)[None])[2]
        found.append(stored.objective.values(logits[fold])[0])
    return np.stack(found)


def _eager(stored: EvaluatedPredictions, name: str, fold: int) -> NDArray[np.float64]:
    """Probabilities [C] of the checkpoint of a fold, as training predicts, on this CPU."""
    model, objective = load_checkpoint(stored.train / f"fold_{fold}" / "best.ckpt")
    outputs = predict(model, stored.store, [stored.store.number(name)], "cpu").outputs
    values: NDArray[np.float64] = objective.values(outputs)[0]
    return values


def _worst(found: Mapping[Format, NDArray[np.float64]], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """[formats, rows]: the largest difference of a probability; infinite where one is not finite."""
    apart = np.stack([np.abs(one - wanted).max(axis=1) for one in found.values()])
    worst: NDArray[np.float64] = np.where(np.isfinite(apart), apart, np.inf)
    return worst


def _validate(apart: NDArray[np.float64], forms: list[Format], rows: list[str], settings: ExportSettings) -> None:
    form, row = np.unravel_index(int(apart.argmax()), apart.shape)
    if apart[form, row] > settings.tolerance:
        raise StageError(
            f"{forms[form]} differs from the evaluated predictions",
            where=rows[row],
            expected=f"at most {settings.tolerance:g} apart",
            got=f"{apart[form, row]:.3g}, {int((apart[form] > settings.tolerance).sum())} of {len(rows)} slides beyond",
            do="Nothing was exported. Leave this format out (export.formats), or report the model's architecture.",
        )
