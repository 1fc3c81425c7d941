"""`oceanpath bench models`: speed and memory of the aggregators on the same workload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.outputs import prepare_folders
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.models.registry import aggregator_names, settings_of


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command("models")(bench_models)


def bench_models(
    names: Annotated[list[str] | None, typer.Argument(help="Aggregators; default: all.")] = None,
    dim: int = typer.Option(1024, min=1, help="Length of a patch feature."),
    bags: int = typer.Option(16, min=0, help="Bags per training step; 0: measure no training step."),
    median: int = typer.Option(3000, min=10, help="Median number of patches per bag."),
    sizes: str = typer.Option("1000,10000,100000", help="Patches of single bags, separated by commas; may be empty."),
    rounds: int = typer.Option(5, min=1, help="Number of measurements."),
    threads: int = typer.Option(1, min=1, help="CPU threads; with 1, CPU time is reliable on a busy machine."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for models.json and models.png.")] = None,
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> int:
    """Measure training steps, and inference by bag size. Variants of a step: padded, packed, bfloat16, checkpoint."""
    selected = names or aggregator_names()
    for name in selected:
        settings_of(name)
    numbers = _numbers(sizes)
    prepare_folders(out=out)
    import torch

    from oceanpath.bench.models.table import Workload, conditions, head, lines, measure_models

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise ExperimentError(
            "no such device on this machine", where="--device", expected="cpu or a usable cuda", got=device
        )
    workload, torch_device = Workload(dim, bags, median, numbers, rounds, threads), torch.device(device)
    result: dict[str, Any] = {"conditions": conditions(workload, torch_device), "models": []}
    if not as_json:
        print(head())
    for row in measure_models(selected, workload, torch_device):
        result["models"].append(row)
        if not as_json:
            print("\n".join(lines(row)), flush=True)
    if as_json:
        print(json.dumps(result, indent=1))
    if out is not None:
        _write(out, result)
    return int(ExitCode.OK)


def _numbers(sizes: str) -> list[int]:
    try:
        numbers = [int(word) for word in sizes.split(",") if sizes]
    except ValueError as error:
        raise ExperimentError("not a list of whole numbers", where="--sizes", got=sizes) from error
    if min(numbers, default=1) < 1:
        raise ExperimentError("a bag has at least one patch", where="--sizes", got=sizes)
    return sorted(numbers)


def _write(out: Path, result: dict[str, Any]) -> None:
    from oceanpath.figures.growth import draw_growth

    (out / "models.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    panels = {"Seconds of inference": ("infer_seconds", 1.0), "Peak memory above the bag, MB": ("peak_bytes", 1e-6)}
    draw_growth(
        out / "models.png",
        {
            label: {
                row["name"]: [(size["patches"], size[key] * unit) for size in row["growth"] if size[key]]
                for row in result["models"]
            }
            for label, (key, unit) in panels.items()
        },
        "Patches",
    )
