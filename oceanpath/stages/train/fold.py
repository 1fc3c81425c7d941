"""One fold: train on its train rows, select on its val rows, predict all rows once with the selected weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from oceanpath.artifacts import folds
from oceanpath.artifacts.bag_unit import unit_of
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.patient_bags import one_row_per_slide
from oceanpath.artifacts.store.patients import bags_of, open_bags
from oceanpath.bags.placement import place
from oceanpath.fit.device import pick_device
from oceanpath.fit.seeds import derive
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import JOURNAL, Inputs, Progress
from oceanpath.stages.train.fold_files import describe, write_fold
from oceanpath.stages.train.fold_training import Fold
from oceanpath.stages.train.plan import plan_lines
from oceanpath.stages.train.pretrained import describe_weights, find_weights, seen_patients
from oceanpath.stages.train.rows import read_rows
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.soup import train_soup
from oceanpath.stages.train.space import describe_values
from oceanpath.tasks.registry import read_task


def fit_fold(settings: TrainSettings, inputs: Inputs, number: int, out: Path, progress: Progress) -> dict[str, Any]:
    """Train fold `number` and write its files into `out`; returns the contents of fold.json.

    `out` may have the saved state of an interrupted training of the same settings, which is then resumed.

    Raises: StageError: a role or a class has no rows, or training diverges. ArtifactError: a slide is not in the store.
    """
    device, split = pick_device(settings.device), inputs["split"]
    bags, splits = open_bags(inputs["mmap"], split, check=inputs.verify), folds.read_splits(split)
    store = place(bags, settings.placement, device)
    task, frame = read_task(splits, split), folds.read_fold(split, number)
    rows = read_rows(frame, store, task, where=f"fold {number}")
    if settings.sealed:
        rows["test"] = rows["test"].none()
    weights = _pretrained(settings, inputs, number, progress)
    fold = Fold(settings, store, rows, device, derive(settings.training_seed, "fold", number), weights)
    if number == 0:
        for line in plan_lines(fold, task, number, unit_of(splits)):
            progress.note(line)
    with torch_threads(settings.threads):
        found = None
        if settings.search is not None:
            from oceanpath.stages.train.search import search_fold  # loads Optuna, which is optional

            fold, found = search_fold(fold, task, state_file(out).parent, progress)
            best = describe_values(found["values"])
            progress.note(f"fold {number}: best of {len(found['trials'])} trials: {best}")
        progress.start(fold.settings.epochs * fold.settings.soup, "epochs")
        selected, averaged = train_soup(fold, task, progress.advance, state_file(out))
        facts = describe(selected, rows, number) | averaged
        trained, outputs = selected.trained, fold.outputs(selected.trained)
        if settings.refit_fold:
            trained = fold.refit(task, selected, state_file(out).with_name("refit.ckpt"))
            refitted = fold.outputs(trained)
            # Thresholds and temperatures need predictions of slides that were not trained on.
            refitted["val"] = refitted["val"]._replace(outputs=outputs["val"].outputs)
            outputs, facts["refit"] = refitted, {"epochs": selected.stopping.best.epoch + 1}
        completed = trained.objective.completed(outputs["train"].outputs, rows["train"].targets)
    facts = write_fold(out, facts, trained._replace(objective=completed), rows, outputs)
    write_json(out / "history.json", selected.stopping.history)
    if found is not None:
        facts["search"] = {"trials": len(found["trials"]), "values": found["values"]}
        write_json(out / "fold.json", facts)
        write_json(out / "search.json", found)
    if weights is not None:
        tested = one_row_per_slide(frame, bags_of(bags))
        facts["seen_in_pretraining"] = len(seen_patients(settings, weights, tested, f"fold {number}"))
        write_json(out / "fold.json", facts)
    shutil.rmtree((out / JOURNAL).parent)
    return facts


def state_file(out: Path) -> Path:
    """The saved state of the training, next to a journal: an interrupted training is resumed in its own folder."""
    journal = out / JOURNAL
    if not journal.exists():
        journal.parent.mkdir(exist_ok=True)
        journal.write_text("training.ckpt\n", encoding="utf-8")
    return journal.with_name("training.ckpt")


def _pretrained(settings: TrainSettings, inputs: Inputs, number: int, progress: Progress) -> Path | None:
    path = find_weights(settings, inputs, number)
    if path is not None:
        progress.note(f"fold {number}: the aggregator starts from {describe_weights(path)}")
    return path
