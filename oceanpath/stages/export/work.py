"""Checkpoints → bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from oceanpath.artifacts.bundle import CARD, ONNX, TORCHSCRIPT, BundleFacts, Golden, Parity, golden_bag, seal
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.predictions import read_cv_results
from oceanpath.artifacts.store import Store
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.export.calibrate import calibrate_members, describe_calibration, ensemble_threshold
from oceanpath.stages.export.card import render_card
from oceanpath.stages.export.ensemble import Ensemble, load_members
from oceanpath.stages.export.facts import describe_cohort, describe_features, describe_performance
from oceanpath.stages.export.onnx_file import to_onnx
from oceanpath.stages.export.parity import THREADS, Format, measure
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.torchscript_file import to_torchscript

GOLDEN_PATCHES = 16


def run(settings: ExportSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Export, compare with torch, describe, seal.

    Raises: StageError: a model cannot be exported, or an exported file is not equal to it; nothing is published then.
    """
    progress.start(3, "steps")
    results, store = read_cv_results(inputs["train"]), Store(inputs["mmap"])
    members = calibrate_members(inputs["train"], results, wanted=settings.calibrate)
    classifiers = load_members(inputs["train"], results["folds"], store.dim, results["classes"])
    ensemble = Ensemble(classifiers, [member.temperature for member in members])
    progress.advance()
    with torch_threads(THREADS):
        files = _export(ensemble, store.dim, settings, out)
        progress.advance()
        parity = measure(ensemble, files, store.dim, settings)
        golden = _golden(ensemble, store.dim)
    progress.advance()
    contract = describe_features(store, inputs)
    model: dict[str, Any] = classifiers[0].settings.model_dump(mode="json")
    facts = BundleFacts(
        name=settings.title or " on ".join(filter(None, [str(model["name"]), contract.encoder])),
        model=model,
        classes=results["classes"],
        contract=contract,
        members=members,
        calibration=describe_calibration(members),
        threshold=ensemble_threshold(members, results["classes"]),
        performance=describe_performance(read_metrics(inputs["eval"])),
        cohort=describe_cohort(inputs["train"], results["folds"], store, results["classes"]),
        parity=parity,
        golden=golden,
        opset=settings.opset,
    )
    (out / CARD).write_text(render_card(facts), encoding="utf-8")
    return _summary(seal(out, facts), parity, len(files["onnx"]))


def _export(ensemble: Ensemble, dim: int, settings: ExportSettings, out: Path) -> dict[Format, bytes]:
    files: dict[Format, bytes] = {"onnx": to_onnx(ensemble, dim, settings.opset)}
    (out / ONNX).write_bytes(files["onnx"])
    if "torchscript" in settings.formats:
        files["torchscript"] = to_torchscript(ensemble, dim)
        (out / TORCHSCRIPT).write_bytes(files["torchscript"])
    return files


def _golden(ensemble: Ensemble, dim: int) -> Golden:
    with torch.inference_mode():
        probabilities = ensemble(torch.from_numpy(golden_bag(GOLDEN_PATCHES, dim)).unsqueeze(0))[0][0]
    return Golden(patches=GOLDEN_PATCHES, probabilities=[round(float(p), 7) for p in probabilities])


def _summary(facts: BundleFacts, parity: Parity, size: int) -> Summary:
    sizes = ", ".join(str(n) for n in sorted({case.patches for case in parity.cases}))
    temperatures = ", ".join(f"{member.temperature:.2f}" for member in facts.members)
    lines = (
        f"{len(facts.members)} members, {size / 2**20:.1f} MB, model {facts.digest[:12]}",
        f"equal to torch within {parity.worst:.1e} at {sizes} patches",
        f"temperatures {temperatures}",
    )
    return Summary(lines, {"members": len(facts.members), "parity": parity.worst, "onnx_bytes": size})
