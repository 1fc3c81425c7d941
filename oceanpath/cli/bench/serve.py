"""`oceanpath bench serve`: on a bundle of a classifier."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.outputs import prepare_folders


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("serve")(bench_serve)


def bench_serve(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder of a classifier.")],
    patches: Annotated[int, typer.Option(min=1, help="Patches of the slide in every request.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds after a warm-up; the median is reported.")] = 5,
    clients: Annotated[int, typer.Option(min=0, help="Clients that send requests at the same time.")] = 64,
    seconds: Annotated[float, typer.Option(min=1, help="Time for which they send requests.")] = 60.0,
    large: Annotated[int, typer.Option(min=0, help="Patches of one slide whose memory is measured.")] = 100_000,
    repeated: Annotated[int, typer.Option(min=0, help="Requests in a row whose memory is measured.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for JSON, table and plot.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Compare requests to the server with the time of the model, and measure its memory; 0 omits a measurement."""
    prepare_folders(out=out)
    from oceanpath.bench.serve import as_table, bench_requests
    from oceanpath.bench.serve_load import bench_large, bench_load, bench_repeated
    from oceanpath.serving.offline import find_bundle

    folder = find_bundle(bundle)
    facts = {"patches": patches, "rounds": rounds, "clients": clients}
    with tempfile.TemporaryDirectory() as scratch:
        rows = list(bench_requests(folder, patches, rounds, Path(scratch)))
        table = as_table(rows)
        if large:
            table += "\n\n" + bench_large(folder, large, Path(scratch)).line(f"memory of the server, {large} patches")
        if repeated:
            memory = bench_repeated(folder, repeated, Path(scratch))
            table += "\n" + memory.line(f"memory of the server, {repeated} requests in a row")
        if clients:
            load = bench_load(folder, patches, clients, seconds, Path(scratch))
            table = "\n".join([table, "", f"{clients} clients for {seconds:g} s:", *load.lines()])
            facts |= {f"status_{status}": count for status, count in sorted(load.statuses.items())}
    return write_result(
        BenchResult("serve", rows, facts, table, ("ratio", "Time / time of the model")), out, as_json=as_json
    )
