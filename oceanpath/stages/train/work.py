"""Train: one part per fold and seed; then they are collected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xxhash

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.bag_unit import unit_of
from oceanpath.artifacts.gather import link_tree
from oceanpath.artifacts.patient_bags import FILE as PATIENT_BAGS
from oceanpath.artifacts.patient_bags import copy_patient_bags, one_row_per_slide, read_patient_bags
from oceanpath.artifacts.tested_slides import is_plain, plan_of_seeds, read_plan
from oceanpath.file_digests import xxh3_of_file
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary
from oceanpath.stages.train.seeds import renumber, scores_by_seed
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task, task_entry


def parts(settings: TrainSettings, inputs: Inputs) -> list[Part]:
    """One part per fold and seed.

    It depends on the settings, the store, its own rows and the task, but not on other folds and seeds.
    """
    splits = folds.read_splits(inputs["split"])
    task = read_task(splits, inputs["split"])
    _check_start(settings, inputs, splits["folds"])
    seeds = settings.training_seeds
    return [
        replace(part, key=f"seed_{seed}_{part.key}") if len(seeds) > 1 else part
        for seed in seeds
        for part in (_part(settings.of_seed(seed), inputs, task, number) for number in range(splits["folds"]))
    ]


def run_part(settings: TrainSettings, inputs: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    """Train one fold and write its files into `out`.

    Raises: StageError: a role or a class has no rows, or training diverges. ArtifactError: a slide is not in the store.
    """
    progress.phase("loading PyTorch")
    from oceanpath.stages.train.fold import fit_fold  # loads PyTorch

    facts = fit_fold(settings.of_seed(part.payload["seed"]), inputs, part.payload["fold"], out, progress)
    name, epoch = part.key.replace("_", " "), facts["best_epoch"] + 1
    line = f"{name}: epoch {epoch} of {facts['epochs']}, val loss {facts['val_loss']:.3f}"
    progress.note(line)
    return Summary(
        (line,), {name: facts[name] for name in ("best_epoch", "epochs", *task_entry(settings.task).monitors)}
    )


def run(settings: TrainSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:  # noqa: ARG001  # the signature of every stage
    """Collect the folds of all seeds below `out`, pool their test rows and write cv_results.json."""
    splits, seeds = folds.read_splits(inputs["split"]), settings.training_seeds
    task = read_task(splits, inputs["split"])
    per_fold, tests = [], []
    for number, part in enumerate(inputs.parts.values()):
        folder = out / f"fold_{number}"
        link_tree(part, folder)
        if settings.sealed == "revealed":
            from oceanpath.stages.train.reveal import reveal_fold  # loads PyTorch

            reveal_fold(settings, inputs, task, folder, number % splits["folds"])
        if len(seeds) > 1:
            per_fold.append(renumber(folder, number, seeds[number // splits["folds"]], task))
        else:
            per_fold.append(json.loads((folder / "fold.json").read_text()))
        tests.append(predictions.read_predictions(folder / "preds_test.parquet", task))
    predictions.write_predictions(pd.concat(tests, ignore_index=True), out / "oof_predictions.parquet", task)
    results = {
        **task.record(),
        "folds": len(per_fold),
        "model": settings.model.model_dump(mode="json"),
        "per_fold": per_fold,
        "scheme": splits["scheme"],
        "selected": settings.selection != "inner",  # otherwise no test row was used: every fold has its own val rows
    }
    if settings.refit_fold:
        results["refit"] = True  # thresholds and temperatures are those of the models before
    if len(seeds) > 1:
        results["plan"] = plan_of_seeds(splits["plan"], seeds)
        results["seeds"] = scores_by_seed(per_fold, task_entry(settings.task).monitors)
    elif not is_plain(read_plan(splits)):
        results["plan"] = splits["plan"]
    if seen := sum(fold.get("seen_in_pretraining", 0) for fold in per_fold):
        results["seen_in_pretraining"] = seen
    if "bag" in splits:
        results["bag"] = splits["bag"]
        copy_patient_bags(inputs["split"], out)
    predictions.write_cv_results(results, out)
    return _summary(per_fold, f"{sum(map(len, tests)) // len(seeds)} test {unit_of(splits)}s")


def check(path: Path) -> None:
    """Read every published file. Raises: ArtifactError: as `predictions.check`."""
    predictions.check(path, read_task(predictions.read_cv_results(path), path))


def _check_start(settings: TrainSettings, inputs: Inputs, count: int) -> None:
    """Check the pretrained weights of every fold, if there are any, before the first fold is trained.

    Raises: ExperimentError, GateError, ArtifactError: as `check_weights` and `seen_patients` do.
    """
    if settings.aggregator_weights is None and inputs.get("pretrain") is None:
        return
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.stages.train.pretrained import check_weights, find_weights, seen_patients  # loads PyTorch

    store, bags = Store(inputs["mmap"], check=False), read_patient_bags(inputs["split"])
    for number in range(count):
        path = find_weights(settings, inputs, number)
        assert path is not None, "there is a source of weights"
        check_weights(settings, path, store)
        seen_patients(
            settings, path, one_row_per_slide(folds.read_fold(inputs["split"], number), bags), f"fold {number}"
        )


def _start_digest(settings: TrainSettings, inputs: Inputs, number: int) -> dict[str, str]:
    """The digest of the weights from which a fold starts, for its identity; empty for random ones."""
    if settings.aggregator_weights is None and inputs.get("pretrain") is None:
        return {}
    from oceanpath.stages.train.pretrained import find_weights

    path = find_weights(settings, inputs, number)
    return {} if path is None else {"aggregator_weights": xxh3_of_file(path)}


def _bags_digest(inputs: Inputs) -> dict[str, str]:
    """The digest of the slides of each patient, for the identity of a fold; empty where bags are slides."""
    path = inputs["split"] / PATIENT_BAGS
    return {"patient_bags": xxh3_of_file(path)} if path.is_file() else {}


def _part(settings: TrainSettings, inputs: Inputs, task: Task, number: int) -> Part:
    rows = (inputs["split"] / f"fold_{number}.parquet").read_bytes()
    # A revealed test uses the models that were trained while it was sealed.
    sealed = settings.model_copy(update={"sealed": True}) if settings.sealed else settings
    identity = {
        "settings": sealed.identity(),
        "store": inputs.digests["mmap"],
        "rows": xxhash.xxh3_128_hexdigest(rows),
        **task.record(),
        "fold": number,
        **_bags_digest(inputs),
        **_start_digest(settings, inputs, number),
    }
    return Part(f"fold_{number}", identity, {"fold": number, "seed": settings.training_seed})


def _summary(per_fold: list[dict[str, Any]], tested: str) -> Summary:
    losses = [fold["val_loss"] for fold in per_fold]
    epochs = [fold["best_epoch"] + 1 for fold in per_fold]
    line = f"{len(per_fold)} folds, {tested}; selected epochs {', '.join(map(str, epochs))}"
    metrics = {
        "val_loss": float(np.mean(losses)),
        "folds": len(per_fold),
        "skipped_steps": sum(fold["skipped_steps"] for fold in per_fold),
    }
    return Summary((line,), metrics)
