"""Checkpoints → bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oceanpath.artifacts.bundle.facts import BundleFacts, Golden
from oceanpath.artifacts.bundle.folder import CARD, TRAINING, seal
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.store.patients import open_bags
from oceanpath.artifacts.tested_slides import read_plan
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.export.calibrate import calibrate_members, describe_calibration, ensemble_threshold
from oceanpath.stages.export.card import render_card
from oceanpath.stages.export.contract import describe_contract
from oceanpath.stages.export.embedding import export_embedding
from oceanpath.stages.export.ensemble import Ensemble, load_members
from oceanpath.stages.export.external import describe_external
from oceanpath.stages.export.facts import describe_cohort, describe_performance, hash_slides, training_patients
from oceanpath.stages.export.feature_statistics import write_statistics
from oceanpath.stages.export.model_files import GOLDEN_PATCHES, golden_output, write_model_files
from oceanpath.stages.export.replay import EvaluatedPredictions, compare_files, replayed_line
from oceanpath.stages.export.runners import THREADS
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.shipped import shipped_models
from oceanpath.stages.export.values import export_values
from oceanpath.tasks.registry import read_task


def run(settings: ExportSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Export the ensemble or the pretrained aggregator, compare it with torch, write facts and card, and seal it all.

    Raises: StageError: a model cannot be exported, or an exported file differs from it; nothing is published then.
    """
    progress.start(4, "steps")
    if inputs.get("train") is None:
        return export_embedding(settings, inputs, out, progress)
    shipped = shipped_models(settings, inputs)
    store = open_bags(inputs["mmap"], inputs["train"], check=inputs.verify)
    train, results, folds = shipped.train, shipped.results, shipped.folds
    task = read_task(results, train)
    if task.is_exported_as_values:
        return export_values(settings, inputs, out, progress)
    members = calibrate_members(train, results, fit_temperatures=settings.calibrate)
    classifiers = [member.model for member in load_members(train, folds, store.dim, task)]
    objective = read_objective(task, {})
    ensemble = Ensemble(classifiers, [member.temperature for member in members], objective.class_logits)
    contract = describe_contract(store, settings, inputs, reads_coords=ensemble.reads_coords)
    coords = contract.coords == "required"
    progress.advance()
    with torch_threads(THREADS):
        files = write_model_files(ensemble, store.dim, settings, out, coords=coords)
        progress.advance()
        stored = EvaluatedPredictions(train, store, objective, coords, folds, is_refit=shipped.is_refit)
        parity = compare_files(ensemble, files, stored, settings)
        golden = Golden(patches=GOLDEN_PATCHES, probabilities=golden_output(ensemble, store.dim, coords=coords))
    progress.advance()
    cohorts = {} if shipped.is_refit else inputs.by_cohort("external")
    threshold = ensemble_threshold(members, task, sorted(cohorts), is_refit=shipped.is_refit)
    patients = training_patients(train, folds)
    model: dict[str, Any] = classifiers[0].settings.model_dump(mode="json")
    facts = BundleFacts(
        name=settings.title or " on ".join(filter(None, [str(model["name"]), contract.encoder])),
        model=model,
        **{key: value for key, value in task.record().items() if key != "task"},
        contract=contract,
        similarity=write_statistics(store, patients, out),
        members=members,
        calibration=describe_calibration(
            members, several=read_plan(results).has_several_models, is_single=shipped.final is not None
        ),
        threshold=threshold,
        performance=describe_performance(
            read_metrics(inputs["eval"]), len(members), has_external=bool(cohorts), final=shipped.final
        ),
        external=describe_external(settings, cohorts, results, (members, threshold), task),
        cohort=describe_cohort(train, folds, store, task),
        final=shipped.final,
        parity=parity,
        pools_blocks=files.pools_blocks,
        golden=golden,
        opset=settings.opset,
    )
    (out / TRAINING).write_bytes(hash_slides(inputs, sorted(patients), store).render())
    (out / CARD).write_text(render_card(facts), encoding="utf-8")
    progress.advance()
    return _summary(seal(out, facts), len(files.contents["onnx"]))


def _summary(facts: BundleFacts, size: int) -> Summary:
    parity, stored = facts.parity, facts.parity.stored
    sizes = ", ".join(str(n) for n in sorted({case.patches for case in parity.cases}))
    temperatures = ", ".join(f"{member.temperature:.2f}" for member in facts.members)
    lines = [
        f"{len(facts.members)} members, {size / 2**20:.1f} MB, model {facts.digest[:12]}",
        replayed_line(stored),
        f"agrees with torch within {parity.worst:.1e} at {sizes} patches",
        f"temperatures {temperatures}",
    ]
    if stored.elsewhere:
        difference = f"with differences of up to {stored.elsewhere_difference:.1e} from this CPU"
        text = f"{stored.elsewhere} of them were computed on another device, {difference}; for these the files were"
        lines.insert(2, f"{text} compared with torch on this CPU")
    metrics = {
        "members": len(facts.members),
        "parity": parity.worst,
        "parity_stored": max(stored.differences.values()),
        "onnx_bytes": size,
    }
    return Summary(tuple(lines), metrics)
