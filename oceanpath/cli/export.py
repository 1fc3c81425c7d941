"""`oceanpath export`: export the models of an experiment, or with ``--checkpoint`` a single model without one."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from oceanpath.cli.options import Common, flag
from oceanpath.cli.outputs import prepare_folder
from oceanpath.cli.run import run_experiment
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.folders import list_folder
from oceanpath.pipeline.experiment import without_file
from oceanpath.stages.catalog import CATALOG

if TYPE_CHECKING:
    from oceanpath.stages.export.settings import ExportSettings

FLAGS = (
    flag("checkpoint", Path | None, None, "Export this checkpoint (best.ckpt) without an experiment.", metavar="FILE"),
    flag("output_dir", Path | None, None, "Folder of the bundle of --checkpoint.", metavar="DIR"),
    flag("feature_dim", int | None, None, "Length of a patch feature that the checkpoint must read.", min=1),
)


def call(common: Common) -> int:
    """Export the experiment, or the checkpoint."""
    checkpoint, out, dim = (common.more[key] for key in ("checkpoint", "output_dir", "feature_dim"))
    if checkpoint is None:
        if out is not None or dim is not None:
            do = "Add --checkpoint FILE, or export an experiment with `oceanpath export -e EXPERIMENT`."
            raise ExperimentError("--output-dir and --feature-dim need a checkpoint", where="--checkpoint", do=do)
        return run_experiment(common, ("export",))
    if out is None:
        raise ExperimentError("a checkpoint needs a folder for its bundle", where="--output-dir", do="Add it.")
    _prepare(out)
    experiment = without_file("export", CATALOG, common.sets) if common.experiment is None else common.load()
    settings: ExportSettings = experiment.base.settings(CATALOG.stage("export"))  # type: ignore[assignment]  # its stage's
    from oceanpath.stages.export.checkpoint import export_checkpoint  # loads torch

    with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        facts = export_checkpoint(checkpoint, Path(scratch), settings, dim)
        for file in sorted(Path(scratch).iterdir()):
            file.rename(out / file.name)
    print(f"{facts.name} (model {facts.digest[:12]}) -> {out}", file=sys.stderr)
    return int(ExitCode.OK)


def _prepare(out: Path) -> None:
    """Create the folder of the bundle. Raises: ExperimentError: it cannot be written, or is not empty."""
    prepare_folder(out, "--output-dir")
    if list_folder(out).files:
        do = "Name an empty or new folder."
        raise ExperimentError("the folder of the bundle is not empty", where=f"--output-dir {out}", do=do)
