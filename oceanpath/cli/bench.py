"""`oceanpath bench …`: how fast this machine does it, as ratios."""

from __future__ import annotations

import typer

from oceanpath.cli import bench_extract, bench_models, bench_store

app = typer.Typer(help="How fast it is on this machine, as ratios.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _bench() -> None:
    """How fast it is on this machine, as ratios."""


bench_store.register(app)
bench_models.register(app)
bench_extract.register(app)
