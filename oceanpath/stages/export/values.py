"""Checkpoints of a task without classes → a bundle that predicts its values on the scale of the labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oceanpath.artifacts.bundle.folder import CARD, TRAINING, seal
from oceanpath.artifacts.bundle.value_facts import ColumnFacts, CutoffFacts, GoldenValues, ValueFacts, ValueMember
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.predictions import read_predictions
from oceanpath.artifacts.store.patients import open_bags
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.export.calibrate import OUT_OF_FOLD
from oceanpath.stages.export.contract import describe_contract
from oceanpath.stages.export.ensemble import ValueEnsemble, load_members
from oceanpath.stages.export.external import describe_external_values
from oceanpath.stages.export.facts import describe_cohort, describe_values, hash_slides, training_patients
from oceanpath.stages.export.feature_statistics import write_statistics
from oceanpath.stages.export.model_files import GOLDEN_PATCHES, golden_output, write_model_files
from oceanpath.stages.export.replay import EvaluatedPredictions, compare_files, replayed_line
from oceanpath.stages.export.runners import THREADS
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.shipped import shipped_models
from oceanpath.stages.export.value_card import render_value_card
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task

NOT_EVALUATED = f"determined {OUT_OF_FOLD}; not evaluated for this model"
OUTPUTS = ("values", "attention", "member_values")


def export_values(settings: ExportSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Export the ensemble, compare it with torch and the evaluated predictions, write facts and card, and seal it all.

    Raises: StageError: it cannot be exported, or an exported file differs from it.
    """
    shipped = shipped_models(settings, inputs)
    store = open_bags(inputs["mmap"], inputs["train"], check=inputs.verify)
    train, results, folds = shipped.train, shipped.results, shipped.folds
    task = read_task(results, train)
    members = load_members(train, folds, store.dim, task)
    ensemble = ValueEnsemble(members)
    contract = describe_contract(store, settings, inputs, reads_coords=ensemble.reads_coords)
    coords = contract.coords == "required"
    progress.advance()
    with torch_threads(THREADS):
        files = write_model_files(ensemble, store.dim, settings, out, coords=coords, outputs=OUTPUTS)
        progress.advance()
        stored = EvaluatedPredictions(train, store, read_objective(task, {}), coords, folds, is_refit=shipped.is_refit)
        parity = compare_files(ensemble, files, stored, settings)
        golden = golden_output(ensemble, store.dim, coords=coords)
    progress.advance()
    patients = training_patients(train, folds)
    model: dict[str, Any] = members[0].model.settings.model_dump(mode="json")
    cutoffs = [CutoffFacts(**cutoff._asdict()) for cutoff in task.cutoffs(results["per_fold"])]
    if shipped.is_refit:
        cutoffs = [
            cutoff.model_copy(update={"reason": NOT_EVALUATED}) if cutoff.value is not None else cutoff
            for cutoff in cutoffs
        ]
    external = [] if shipped.is_refit else describe_external_values(settings, inputs, results, cutoffs, task)
    facts = ValueFacts(
        name=settings.title or " on ".join(filter(None, [str(model["name"]), contract.encoder])),
        model=model,
        task=task.record(),
        columns=[ColumnFacts(**column._asdict()) for column in members[0].objective.describe_columns()],
        decisions=cutoffs,
        contract=contract,
        similarity=write_statistics(store, patients, out),
        members=_members(train, folds, task),
        performance=describe_values(
            read_metrics(inputs["eval"]), len(folds), task, has_external=bool(external), final=shipped.final
        ),
        external=external,
        cohort=describe_cohort(train, folds, store, task),
        final=shipped.final,
        parity=parity,
        pools_blocks=files.pools_blocks,
        golden=GoldenValues(patches=GOLDEN_PATCHES, values=golden),
        opset=settings.opset,
    )
    (out / TRAINING).write_bytes(hash_slides(inputs, sorted(patients), store).render())
    (out / CARD).write_text(render_value_card(facts, task), encoding="utf-8")
    progress.advance()
    return _summary(seal(out, facts), len(files.contents["onnx"]))


def _members(train: Path, folds: tuple[int, ...], task: Task) -> list[ValueMember]:
    """The members, in order."""
    rows = [len(read_predictions(train / f"fold_{number}" / "preds_val.parquet", task)) for number in folds]
    return [ValueMember(fold=number, n_val=count) for number, count in zip(folds, rows, strict=True)]


def _summary(facts: ValueFacts, size: int) -> Summary:
    parity, stored = facts.parity, facts.parity.stored
    largest = max(stored.differences.values())
    lines = (
        f"{len(facts.members)} members, {size / 2**20:.1f} MB, model {facts.digest[:12]}",
        f"predicts {', '.join(facts.names)}",
        replayed_line(stored),
        f"agrees with torch within {parity.worst:.1e}",
    )
    metrics = {"members": len(facts.members), "parity": parity.worst, "parity_stored": largest, "onnx_bytes": size}
    return Summary(lines, metrics)
