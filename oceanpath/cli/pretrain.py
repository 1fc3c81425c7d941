"""`oceanpath pretrain`: train the aggregator without labels, or with ``--show-views`` draw the views of one slide."""

from __future__ import annotations

from pathlib import Path

from oceanpath.cli.options import Common, flag
from oceanpath.cli.outputs import prepare_folders
from oceanpath.cli.run import run_experiment
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.plan import plan

FLAGS = (
    flag("model", str | None, None, "Aggregator; `oceanpath models list` shows them.", key="model.name"),
    flag("method", str | None, None, "Method of pretraining, such as vicreg or byol.", key="pretrain.method"),
    flag("show_views", str, "", "Draw the augmentations of this slide instead of training.", metavar="SLIDE"),
    flag("out", Path, Path("outputs/views"), "Folder of the drawing of --show-views.", metavar="DIR"),
)


def call(common: Common) -> int:
    """Run the stage, or draw views."""
    return show_views(common) if common.more["show_views"] else run_experiment(common, ("pretrain",))


def show_views(common: Common) -> int:
    """Draw what the augmentations of an experiment do to one slide of its store.

    Raises: ExperimentError: there is no store yet, or its patches have no coordinates. ArtifactError: no such slide.
    """
    out, slide = common.more["out"], common.more["show_views"]
    prepare_folders(out=out)
    planned = plan(common.load(), ("pretrain",))
    step = next(step for step in planned.steps if step.stage.name == "pretrain")
    store = common.as_workspace().root / "experiments" / planned.experiment.name / step.parents["mmap"]
    if not store.exists():
        raise ExperimentError(
            "there is no store yet", where=store, do="Run `oceanpath mmap` with the same options first."
        )
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.stages.pretrain.show_views import show_views as draw

    path = out / "views.png"
    draw(Store(store), slide, step.settings, path)  # type: ignore[arg-type]  # the settings of the stage `pretrain`
    print(path)
    return int(ExitCode.OK)
