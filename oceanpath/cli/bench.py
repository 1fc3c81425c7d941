"""`oceanpath bench`: speed on this machine."""

from __future__ import annotations

import typer

from oceanpath.cli import bench_extract, bench_models, bench_store

app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _bench() -> None:
    """Measure speed on this machine."""


bench_store.register(app)
bench_models.register(app)
bench_extract.register(app)
