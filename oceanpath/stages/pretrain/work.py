"""Pretrain: one training or, with `rows = "fold_train"`, one per fold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanpath.pipeline.stage import JOURNAL, Inputs, Progress, Summary
from oceanpath.stages.pretrain.preflight import store_name
from oceanpath.stages.pretrain.settings import PretrainSettings

if TYPE_CHECKING:
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.stages.pretrain.cohort import PretrainCohort


def run(settings: PretrainSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Train and write all files below `out`, which may have those of an interrupted training of the same settings.

    Raises: ExperimentError, StageError: as `read_cohorts` and `Training.run` do.
    """
    progress.phase("loading PyTorch")
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.bags.placement import place
    from oceanpath.ssl.methods.registry import needs_labels
    from oceanpath.stages.pretrain.cohort import read_cohorts
    from oceanpath.stages.pretrain.devices import device_of

    store = Store(inputs[store_name(settings)], check=inputs.verify)
    store = place(store, settings.placement, device_of(settings, 0))
    cohorts = read_cohorts(settings, inputs, store.slide_ids, labelled=needs_labels(settings.method))
    journal = out / JOURNAL
    journal.parent.mkdir(exist_ok=True)
    journal.write_text("last.ckpt\n")  # an interrupted training is resumed in this folder
    results = [_pretrain(settings, inputs, store, cohort, out, progress) for cohort in cohorts]
    for folder in journal.parent.glob("neighbours_*"):
        shutil.rmtree(folder)
    lines = [_line(cohort, result) for cohort, result in zip(cohorts, results, strict=True)]
    lines += [_excluded(settings, cohorts)] if settings.exclude else []
    first = results[0]
    metrics = {"steps": first["steps"], "best_step": first["best_step"], **_numbers(first["monitors"])}
    return Summary(tuple(lines), metrics)


def _pretrain(
    settings: PretrainSettings, inputs: Inputs, store: Store, cohort: PretrainCohort, out: Path, progress: Progress
) -> dict[str, Any]:
    """One training; that of an earlier fold that an interrupted run finished is not repeated."""
    from oceanpath.fit.threads import torch_threads
    from oceanpath.ssl.distributed import Share
    from oceanpath.stages.pretrain.facts import describe_weights
    from oceanpath.stages.pretrain.outputs import RESULT, write_outputs
    from oceanpath.stages.pretrain.prepare import prepare_training
    from oceanpath.stages.pretrain.processes import other_processes

    tables, out = (out / JOURNAL).parent, out / cohort.folder
    if cohort.folder and (out / RESULT).is_file():
        finished: dict[str, Any] = json.loads((out / RESULT).read_text())
        return finished
    out.mkdir(exist_ok=True)
    with torch_threads(settings.threads):
        share = Share(0, settings.devices)
        training = prepare_training(settings, store, cohort, tables, progress.note, share)
        with other_processes(settings, inputs, cohort, out, tables):
            state = training.run(out, progress)
    cohort.manifest.write(out)
    facts = describe_weights(settings, inputs, store, cohort, state.best_step)
    return write_outputs(out, training.method, facts, state, training.described())


def _line(cohort: PretrainCohort, result: dict[str, Any]) -> str:
    manifest, monitors = cohort.manifest, result["monitors"]
    name = f"{cohort.folder}: " if cohort.folder else ""
    return (
        f"{name}{result['method']['name']}, {len(manifest.train_ids)} training and {len(manifest.val_ids)} validation "
        f"slides; {result['selection']}; RankMe {monitors['rankme']:.1f} of at most {result['rankme_limit']}"
    )


def _excluded(settings: PretrainSettings, cohorts: Sequence[PretrainCohort]) -> str:
    """How many slides `exclude` left out, which is 0 where the ids of two cohorts are of different kinds."""
    slides = {name for cohort in cohorts for name in cohort.manifest.excluded}
    return f"{len(slides)} slides excluded, of patients whom {len(settings.exclude)} other experiments test"


def _numbers(monitors: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in monitors.items() if value is not None and name != "step"}
