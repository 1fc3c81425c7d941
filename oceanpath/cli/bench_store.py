"""`oceanpath bench store`, `oceanpath bench loading`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.errors import ExitCode, ExperimentError

CASES = "trident/float16,contiguous/float16,clam/float16,gzip/float16,trident/float32,contiguous/float32"
Slides = Annotated[int, typer.Option(min=1, help="Slides that are made for it.")]
Median = Annotated[int, typer.Option(min=1, help="Patches of the median slide.")]
Dim = Annotated[int, typer.Option(min=4, help="Length of a feature.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds after one to warm up; the fastest counts.")]
Scratch = Annotated[Path | None, typer.Option(metavar="DIR", help="Where the data is made; else the temporary folder.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where JSON, table and plot go.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the verbs to the group `bench`."""
    app.command("store")(store)
    app.command("loading")(loading)


def store(
    cases: Annotated[str, typer.Option(help="Layout and type, with commas between.")] = CASES,
    slides: Slides = 40,
    median: Median = 3000,
    dim: Dim = 1024,
    rounds: Rounds = 3,
    scratch: Scratch = None,
    out: Out = None,
    as_json: Json = False,
) -> int:
    """Building the store, beside h5py and beside a copy of the same files."""
    from oceanpath.bench.cohort import LAYOUTS
    from oceanpath.bench.store import bench_store

    wanted = cases.split(",")
    known = [f"{layout}/{dtype}" for layout in LAYOUTS for dtype in ("float16", "float32")]
    if unknown := [case for case in wanted if case not in known]:
        raise ExperimentError("unknown case", where="--cases", expected=", ".join(known), got=unknown[0])
    rows: list[Any] = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for case in wanted:
            rows += bench_store(Path(folder), case, slides, median, dim, rounds)
    return _tell("store", rows, {"slides": slides, "median": median, "dim": dim, "rounds": rounds}, out, as_json)


def loading(
    cap: Annotated[int, typer.Option(min=1, help="Patches a bag of the second case.")] = 2048,
    slides: Slides = 60,
    median: Median = 3000,
    dim: Dim = 1024,
    rounds: Rounds = 3,
    scratch: Scratch = None,
    out: Out = None,
    as_json: Json = False,
) -> int:
    """Loading an epoch of whole and of capped bags, beside a padded DataLoader and the speed of memory."""
    from oceanpath.bench.loading import bench_loading

    rows: list[Any] = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for most in (None, cap):
            rows += bench_loading(Path(folder), most, slides, median, dim, rounds)
    return _tell("loading", rows, {"slides": slides, "median": median, "dim": dim, "rounds": rounds}, out, as_json)


def _tell(name: str, rows: list[Any], facts: dict[str, int], out: Path | None, as_json: bool) -> int:
    """Print the rows, and write them with a plot where that is asked for."""
    from oceanpath.bench.rounds import as_json as to_json
    from oceanpath.bench.rounds import as_table
    from oceanpath.figures.bars import draw_bars

    said, table = json.dumps(to_json(rows, facts), indent=2), as_table(rows)
    print(said if as_json else table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(said + "\n", encoding="utf-8")
        (out / f"{name}.md").write_text(table + "\n", encoding="utf-8")
        groups: dict[str, dict[str, float]] = {}
        for row in rows:
            groups.setdefault(row.case, {})[row.way] = row.gb_per_s
        draw_bars(out / f"{name}.png", groups, "GB/s of features as stored")
    return int(ExitCode.OK)
