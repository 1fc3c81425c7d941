"""One checkpoint without its experiment → bundle of a model that was neither calibrated nor evaluated."""

from __future__ import annotations

from pathlib import Path

from oceanpath.artifacts.bundle.facts import (
    BundleFacts,
    Calibration,
    Contract,
    Golden,
    MemberFacts,
    Parity,
    ParityCase,
    Performance,
    StoredParity,
    ThresholdFacts,
)
from oceanpath.artifacts.bundle.folder import CARD, TRAINING, seal
from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.errors import ArtifactError, StageError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.threads import torch_threads
from oceanpath.stages.export.calibrate import RAW
from oceanpath.stages.export.card import render_card
from oceanpath.stages.export.ensemble import Ensemble
from oceanpath.stages.export.model_files import GOLDEN_PATCHES, ModelFiles, golden_output, write_model_files
from oceanpath.stages.export.parity import measure
from oceanpath.stages.export.runners import THREADS
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.registry import read_entry

NOT_EVALUATED = (
    "Not recorded: this bundle was exported from a checkpoint alone. `oceanpath export -e EXPERIMENT` exports a model "
    "with its evaluation."
)
ALONE = "exported from a checkpoint alone"


def export_checkpoint(path: Path, out: Path, settings: ExportSettings, feature_dim: int | None = None) -> BundleFacts:
    """Export the model of a checkpoint to the folder `out`, compare it with torch, and seal the bundle.

    Args:
        path: The checkpoint, such as ``best.ckpt``.
        out: An empty folder.
        settings: Formats, operator set, and sizes of the comparison.
        feature_dim: Length of a patch feature that the model is expected to read; None: not compared.

    Raises: ArtifactError: the checkpoint is damaged or reads other features. StageError: it cannot be exported.
    """
    checkpoint = load_checkpoint(path)
    model, record = checkpoint.model, checkpoint.objective.task.record()
    if feature_dim not in (None, model.in_dim):
        what = "the checkpoint reads patch features of another length"
        raise ArtifactError(what, where=path, expected=f"--feature-dim {model.in_dim}", got=feature_dim)
    if not read_entry(record, path).is_exportable or checkpoint.objective.task.is_exported_as_values:
        raise StageError("a checkpoint of this task cannot be exported alone", where=path, got=record["task"])
    ensemble = Ensemble([model], [1.0], checkpoint.objective.class_logits)
    coords = ensemble.reads_coords
    with torch_threads(THREADS):
        files = write_model_files(ensemble, model.in_dim, settings, out, coords=coords)
        runners = files.runners()
        cases = measure(ensemble, runners, model.in_dim, settings, coords=coords)
        golden = golden_output(ensemble, model.in_dim, coords=coords)
    facts = BundleFacts(
        name=settings.title or str(model.settings.model_dump()["name"]),
        model=model.settings.model_dump(mode="json"),
        **{key: value for key, value in record.items() if key != "task"},
        contract=Contract(encoder="", feature_dim=model.in_dim, coords="required" if coords else "unused"),
        members=[MemberFacts(fold=0, n_val=0, temperature=1.0, reason=ALONE)],
        calibration=Calibration(method="none", served=RAW, reported="The model was not evaluated."),
        threshold=ThresholdFacts(value=None, positive=None, reason=f"the model was {ALONE}"),
        performance=Performance(meaning=NOT_EVALUATED, selected=False, slide={}, patient={}, floor_auroc={}),
        parity=_parity(cases, files, settings),
        pools_blocks=files.pools_blocks,
        golden=Golden(patches=GOLDEN_PATCHES, probabilities=golden),
        opset=settings.opset,
    )
    (out / TRAINING).write_bytes(TrainingSlides.of([]).render())
    (out / CARD).write_text(render_card(facts), encoding="utf-8")
    return seal(out, facts)


def _parity(cases: list[ParityCase], files: ModelFiles, settings: ExportSettings) -> Parity:
    worst = max(case.difference for case in cases)
    facts = {"stored": StoredParity(rows=0, total=0, differences={}), "not_made": files.not_made}
    return Parity(tolerance=settings.tolerance, worst=worst, cases=cases, **facts)
