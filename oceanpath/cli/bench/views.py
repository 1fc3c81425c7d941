"""`oceanpath bench views`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("views")(bench_views)


def bench_views(
    store: Annotated[Path, typer.Argument(help="Folder of the store that `oceanpath mmap` built.")],
    slide: Annotated[str, typer.Argument(help="Slide id.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the augmentations.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the figure.")] = Path("outputs/views"),
) -> int:
    """Draw what each augmentation of pretraining does to the patches of one slide."""
    prepare_folders(out=out)
    from oceanpath.artifacts.store.reader import Store
    from oceanpath.bench.shown_views import effects_on
    from oceanpath.figures.views import ViewPanel, draw_views

    bag, effects = effects_on(Store(store), slide, seed)
    path = out / "views.png"
    draw_views(path, slide, bag.positions, bag.spacing, [ViewPanel(*effect) for effect in effects])
    print(path)
    return int(ExitCode.OK)
