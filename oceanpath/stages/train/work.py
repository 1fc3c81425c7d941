"""Train: one part a fold, then all folds side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xxhash

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.gather import link_tree
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary
from oceanpath.stages.train.settings import TrainSettings


def parts(settings: TrainSettings, inputs: Inputs) -> list[Part]:
    """One part a fold. A fold is the settings, the store, its own rows and the classes: other folds do not matter."""
    splits = folds.read_splits(inputs["split"])
    return [_part(settings, inputs, splits["classes"], number) for number in range(splits["folds"])]


def run_part(settings: TrainSettings, inputs: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Fit one fold and write its files into `out`.

    Raises: StageError: a role or a class has no rows, or the fit diverges. ArtifactError: a slide is not in the store.
    """
    progress.phase("loading PyTorch")
    from oceanpath.stages.train.fold import fit_fold  # Lightning takes seconds to import

    facts = fit_fold(settings, inputs, part.payload["fold"], out, progress)
    line = (
        f"fold {facts['fold']}: epoch {facts['best_epoch'] + 1} of {facts['epochs']}, val loss {facts['val_loss']:.3f}"
    )
    progress.note(line)
    return Summary((line,), {name: facts[name] for name in ("best_epoch", "epochs", "val_loss", "val_auroc")})


def run(settings: TrainSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:  # noqa: ARG001  # the door
    """Gather the folds below `out`, pool their test rows and write cv_results.json."""
    splits = folds.read_splits(inputs["split"])
    per_fold = []
    for key, folder in inputs.parts.items():
        link_tree(folder, out / key)
        per_fold.append(json.loads((folder / "fold.json").read_text()))
    tests = [
        predictions.read_predictions(folder / "preds_test.parquet", splits["classes"])
        for folder in inputs.parts.values()
    ]
    predictions.write_predictions(pd.concat(tests, ignore_index=True), out / "oof_predictions.parquet")
    results = {
        "classes": splits["classes"],
        "folds": len(per_fold),
        "model": settings.model.model_dump(mode="json"),
        "per_fold": per_fold,
        "scheme": splits["scheme"],
        "selected": False,  # no test row chose anything: fit_fold refuses folds without val rows
    }
    predictions.write_cv_results(results, out)
    return _summary(per_fold, sum(map(len, tests)))


def _part(settings: TrainSettings, inputs: Inputs, classes: list[str], number: int) -> Part:
    rows = (inputs["split"] / f"fold_{number}.parquet").read_bytes()
    identity = {
        "settings": settings.identity(),
        "store": inputs.digests["mmap"],
        "rows": xxhash.xxh3_128_hexdigest(rows),
        "classes": classes,
        "fold": number,
    }
    return Part(f"fold_{number}", identity, {"fold": number})


def _summary(per_fold: list[dict[str, Any]], tested: int) -> Summary:
    losses = [fold["val_loss"] for fold in per_fold]
    epochs = [fold["best_epoch"] + 1 for fold in per_fold]
    line = f"{len(per_fold)} folds, {tested} test slides; kept epochs {', '.join(map(str, epochs))}"
    metrics = {
        "val_loss": float(np.mean(losses)),
        "folds": len(per_fold),
        "skipped_steps": sum(fold["skipped_steps"] for fold in per_fold),
    }
    return Summary((line,), metrics)
