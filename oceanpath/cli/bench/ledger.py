"""`oceanpath bench ledger`: commands on a ledger with many parts."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.options import JSON, flag, signed
from oceanpath.cli.outputs import prepare_folders

FLAGS = (
    flag("rows", int, 100_000, "Number of parts in the ledger.", min=1_000),
    flag("rounds", int, 3, "Calls per command; the fastest is reported.", min=1),
    flag("scratch", Path | None, None, "Folder for generated data; default: the temporary folder.", metavar="DIR"),
    flag("out", Path | None, None, "Folder for JSON, table and plot.", metavar="DIR"),
    JSON,
)


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("ledger")(signed(ledger, FLAGS))


def ledger(rows: int, rounds: int, scratch: Path | None, out: Path | None, as_json: bool) -> int:
    """Measure commands on a ledger with many parts."""
    prepare_folders(out=out, scratch=scratch)
    from oceanpath.bench.ledger import bench_ledger, ledger_table

    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        costs, facts = bench_ledger(Path(folder), rows, rounds)
    result = BenchResult("ledger", costs, facts, ledger_table(costs, facts), ("cpu_s", "CPU s"))
    return write_result(result, out, as_json=as_json)
