"""`oceanpath bench store`, `oceanpath bench loading`: on a generated cohort."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from oceanpath.cli.bench.output import BenchResult, write_result
from oceanpath.cli.options import JSON, Flag, flag, signed
from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExperimentError

DEFAULT = "trident/float16,contiguous/float16,clam/float16,gzip/float16,trident/float32,contiguous/float32"
CASES = flag("cases", str, DEFAULT, "Layout/type of the feature files, separated by commas.")
CAP = flag("cap", int, 2048, "Patches per bag in the capped case.", min=1)


def register(app: typer.Typer) -> None:
    """Add the verbs to the group `bench`."""
    app.command("store")(signed(store, (CASES, *_cohort(40))))
    app.command("loading")(signed(loading, (CAP, *_cohort(60))))


def _cohort(slides: int) -> tuple[Flag, ...]:
    """Options of the cohort and of the output."""
    return (
        flag("slides", int, slides, "Number of generated slides.", min=1),
        flag("median", int, 3000, "Median number of patches per slide.", min=1),
        flag("dim", int, 1024, "Length of a patch feature.", min=4),
        flag("rounds", int, 3, "Rounds after a warm-up; the fastest is reported.", min=1),
        flag("scratch", Path | None, None, "Folder for generated data; default: the temporary folder.", metavar="DIR"),
        flag("out", Path | None, None, "Folder for JSON, table and plot.", metavar="DIR"),
        JSON,
    )


def store(cases: str, **values: Any) -> int:
    """Compare building the store with h5py and a plain copy."""
    from oceanpath.bench.cohort import LAYOUTS
    from oceanpath.bench.store import bench_store

    requested = cases.split(",")
    known = [f"{layout}/{dtype}" for layout in LAYOUTS for dtype in ("float16", "float32")]
    if unknown := [case for case in requested if case not in known]:
        raise ExperimentError("unknown case", where="--cases", expected=", ".join(known), got=unknown[0])
    return _run("store", bench_store, requested, **values)


def loading(cap: int, **values: Any) -> int:
    """Compare loading bags with a DataLoader and memory bandwidth."""
    from oceanpath.bench.loading import bench_loading

    return _run("loading", bench_loading, (None, cap), **values)


def _run(
    name: str,
    bench: Callable[..., list[Any]],
    cases: Sequence[Any],
    *,
    scratch: Path | None,
    out: Path | None,
    as_json: bool,
    **cohort: int,
) -> int:
    """Measure every case and write the results."""
    prepare_folders(out=out, scratch=scratch)
    from oceanpath.bench.rounds import as_table

    rows: list[Any] = []
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for case in cases:
            rows += bench(Path(folder), case, **cohort)
    result = BenchResult(name, rows, cohort, as_table(rows), ("gb_per_s", "GB/s of features as stored"))
    return write_result(result, out, as_json=as_json)
