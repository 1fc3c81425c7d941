"""`oceanpath bench`: speed on this machine."""

from __future__ import annotations

import typer

from oceanpath.cli.bench import batching as bench_batching
from oceanpath.cli.bench import coverage as bench_coverage
from oceanpath.cli.bench import extract as bench_extract
from oceanpath.cli.bench import ledger as bench_ledger
from oceanpath.cli.bench import models as bench_models
from oceanpath.cli.bench import scale as bench_scale
from oceanpath.cli.bench import serve as bench_serve
from oceanpath.cli.bench import ssl as bench_ssl
from oceanpath.cli.bench import stats as bench_stats
from oceanpath.cli.bench import store as bench_store
from oceanpath.cli.bench import train as bench_train

app = typer.Typer(help="Measure speed and memory on this machine.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _bench() -> None:
    """Measure speed and memory on this machine."""


bench_store.register(app)
bench_models.register(app)
bench_extract.register(app)
bench_batching.register(app)
bench_ssl.register(app)
bench_stats.register(app)
bench_coverage.register(app)
bench_train.register(app)
bench_ledger.register(app)
bench_scale.register(app)
bench_serve.register(app)
