"""Compare stored test predictions with the exported files: they must reproduce the evaluated predictions.

The stored predictions are the reference: they were computed in training, from the store, by other code than the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from oceanpath.artifacts.bundle.facts import Parity, StoredParity
from oceanpath.artifacts.predictions import read_embeddings, read_oof
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.predict import predict
from oceanpath.stages.export.model_files import ModelFiles
from oceanpath.stages.export.parity import measure
from oceanpath.stages.export.runners import Format, Runner
from oceanpath.stages.export.settings import ExportSettings

DEVICE_TOLERANCE = 1e-3
"""Maximum difference between predictions of another device, such as a GPU, and those of this CPU."""


@dataclass(frozen=True)
class EvaluatedPredictions:
    """The evaluated predictions and their inputs."""

    train: Path
    store: Store
    objective: Objective
    coords: bool
    """Whether the exported files read coordinates."""
    folds: tuple[int, ...] = ()
    """Numbers of the models in the files, in order; empty: those of all folds."""
    is_refit: bool = False
    """Whether the model was trained on all patients: nothing is stored, and torch on this CPU is the reference."""

    def rows(self) -> pd.DataFrame:
        """The stored test predictions of the models; without them, the slides of the cohort."""
        if self.is_refit:
            return read_embeddings(self.train / "fold_0")[1].assign(fold=0)
        rows = read_oof(self.train, self.objective.task)
        return rows[rows["fold"].isin(self.folds)].reset_index(drop=True) if self.folds else rows

    def member(self, fold: int) -> int:
        """The position of the model of a fold in the files."""
        return self.folds.index(fold) if self.folds else fold

    def member_values(self, output: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values [n, K] of a member from its part [n, C] of the third output of a file."""
        if self.objective.task.is_exported_as_values:
            return output.astype(np.float64)
        return self.objective.values_of_logits(output)

    def differences(self, values: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n]: the largest difference of a value; where values are no probabilities, relative to those above 1."""
        scale = np.maximum(1.0, np.abs(expected)) if self.objective.task.is_exported_as_values else 1.0
        largest: NDArray[np.float64] = (np.abs(values - expected) / scale).max(axis=-1)
        return largest


def compare_files(
    module: nn.Module, files: ModelFiles, stored: EvaluatedPredictions, settings: ExportSettings
) -> Parity:
    """Compare files with the eager `module` at several sizes, and with the evaluated predictions.

    Raises: StageError: as `replay` and `measure`.
    """
    runners = files.runners()
    evaluated = replay(stored, runners, settings)
    relative = stored.objective.task.is_exported_as_values
    cases = measure(module, runners, stored.store.dim, settings, coords=stored.coords, relative=relative)
    worst = max(case.difference for case in cases)
    facts = {"cases": cases, "stored": evaluated, "not_made": files.not_made}
    return Parity(tolerance=settings.tolerance, worst=worst, **facts)


def replay(stored: EvaluatedPredictions, runners: Mapping[Format, Runner], settings: ExportSettings) -> StoredParity:
    """Recompute stored test predictions of every fold with each file, and compare them.

    A row that torch on this CPU does not reproduce either was computed on another device: the files are then compared
    with torch on this CPU, and torch with the row.

    Where nothing is stored, files are compared with torch on this CPU.

    Raises: StageError: a file, or a checkpoint, differs from the evaluated predictions; nothing may be published then.
    """
    rows = stored.rows()
    chosen = choose_rows(rows, stored.store, settings.parity_slides, settings.seed)
    names, folds = chosen["slide_id"].tolist(), chosen["fold"].tolist()
    exported = {form: _recompute(stored, run, names, folds) for form, run in runners.items()}
    expected = _eager(stored, names, 0) if stored.is_refit else stored.objective.task.values(chosen).copy()
    differences = _differences(stored, exported, expected)
    device_difference, on_other_device = 0.0, 0
    for row in np.flatnonzero((differences > settings.tolerance).any(axis=0)).tolist():
        eager = _eager(stored, [names[row]], folds[row])[0]
        to_stored = float(stored.differences(eager, expected[row]))
        if to_stored > settings.tolerance:
            on_other_device, device_difference = on_other_device + 1, max(device_difference, to_stored)
            expected[row] = eager
    differences = _differences(stored, exported, expected)
    labels = [f"{name}, fold {fold}" for name, fold in zip(names, folds, strict=True)]
    reference = "PyTorch on a slide of the cohort" if stored.is_refit else "the evaluated predictions"
    _validate(differences, list(runners), (reference, labels), settings)
    if device_difference > DEVICE_TOLERANCE:
        do = "Nothing was exported. Train again: `oceanpath train --force train`."
        what, expected_text = "the checkpoints do not reproduce the stored test predictions", f"{DEVICE_TOLERANCE:g}"
        raise StageError(
            what, expected=f"a difference of at most {expected_text}", got=f"{device_difference:.3g}", do=do
        )
    return StoredParity(
        rows=len(chosen),
        total=0 if stored.is_refit else len(rows),
        differences=dict(zip(runners, differences.max(axis=1).tolist(), strict=True)),
        elsewhere=on_other_device,
        elsewhere_difference=device_difference,
    )


def replayed_line(stored: StoredParity) -> str:
    """One line about a comparison."""
    largest = max(stored.differences.values())
    if not stored.total:
        return f"agrees with torch on {stored.rows} slides of the cohort within {largest:.1e}"
    return f"reproduces {stored.rows} of {stored.total} stored test predictions within {largest:.1e}"


def choose_rows(rows: pd.DataFrame, store: Store, count: int, seed: int) -> pd.DataFrame:
    """All `rows` if there are at most `count`; otherwise `count` of them, spread over folds and bag lengths."""
    if len(rows) <= count:
        return rows
    lengths = [store.length(store.number(name)) for name in rows["slide_id"]]
    ordered = rows.assign(length=lengths).sort_values(["fold", "length", "slide_id"], ignore_index=True)
    random = np.random.default_rng(seed)
    folds = [group.index.to_numpy() for _, group in ordered.groupby("fold")]
    chosen = []
    for group in folds:
        size = min(len(group), -(-count // len(folds)))
        edges = np.linspace(0, len(group), size + 1)
        chosen.append(group[(edges[:-1] + random.random(size) * np.diff(edges)).astype(int)])
    return ordered.loc[np.concatenate(chosen), rows.columns].reset_index(drop=True)


def _recompute(stored: EvaluatedPredictions, run: Runner, names: list[str], folds: list[int]) -> NDArray[np.float64]:
    """Values [rows, K] of an exported file, by the member of each row's fold, for the slide in the store."""
    values = []
    for name, fold in zip(names, folds, strict=True):
        number = stored.store.number(name)
        coords = stored.store.coords(number) if stored.coords else None
        features = np.array(stored.store.features(number), np.float32)[None]
        outputs = run(features, None if coords is None else coords.astype(np.float32)[None])[2]
        values.append(stored.member_values(outputs[stored.member(fold)])[0])
    return np.stack(values)


def _eager(stored: EvaluatedPredictions, names: list[str], fold: int) -> NDArray[np.float64]:
    """Values [n, K] of the checkpoint of a fold for slides, computed as in training, on this CPU."""
    model, objective = load_checkpoint(stored.train / f"fold_{fold}" / "best.ckpt")
    return objective.values(predict(model, stored.store, [stored.store.number(name) for name in names], "cpu").outputs)


def _differences(
    stored: EvaluatedPredictions, exported: Mapping[Format, NDArray[np.float64]], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[formats, rows]: the largest difference of a value; infinite if one is not finite."""
    largest = np.stack([stored.differences(values, expected) for values in exported.values()])
    differences: NDArray[np.float64] = np.where(np.isfinite(largest), largest, np.inf)
    return differences


def _validate(
    differences: NDArray[np.float64],
    forms: list[Format],
    compared: tuple[str, list[str]],
    settings: ExportSettings,
) -> None:
    """Raise StageError if a difference exceeds the tolerance; `compared`: with what, and the names of the rows."""
    reference, rows = compared
    form, row = np.unravel_index(int(differences.argmax()), differences.shape)
    if differences[form, row] > settings.tolerance:
        count = int((differences[form] > settings.tolerance).sum())
        raise StageError(
            f"{forms[form]} differs from {reference}",
            where=rows[row],
            expected=f"a difference of at most {settings.tolerance:g}",
            got=f"{differences[form, row]:.3g}; {count} of {len(rows)} slides exceed the tolerance",
            do="Nothing was exported. Leave this format out (export.formats), or report the architecture in an issue.",
        )
