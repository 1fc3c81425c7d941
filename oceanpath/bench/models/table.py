"""Measurements of aggregators, as JSON values and as lines of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from oceanpath.bench.models.growth import grow
from oceanpath.bench.models.step_variants import compare, gemm_limits, log_normal_batch
from oceanpath.models.registry import build_aggregator, parse_model

COLUMNS = {
    "aggregator": 18,
    "param. M": 10,
    "padded s": 10,
    "packed": 8,
    "bf16": 8,
    "ckpt": 8,
    "memory p/b/c": 16,
    "of GEMM p/b": 13,
    "differs": 8,
}
"""Column headers and widths: speed-ups of `packed`, `packed_bf16` and `checkpoint` over `padded`, their memory
relative to it, the speed of the first two relative to matrix products, and the difference of packed embeddings."""


class Workload(NamedTuple):
    """The workload: a batch for the variants of a training step (none without bags), and single bags."""

    dim: int = 1024
    bags: int = 16
    middle: int = 3000
    """Median patches of the batch's bags."""
    sizes: Sequence[int] = (1000, 10_000, 100_000)
    rounds: int = 5
    threads: int = 1


def measure_models(names: Sequence[str], workload: Workload, device: torch.device) -> Iterator[dict[str, Any]]:
    """One row per aggregator with default settings, yielded once it is measured; "step" is None without bags."""
    torch.set_num_threads(workload.threads)
    batch = log_normal_batch(workload.bags, workload.middle, workload.dim) if workload.bags else None
    limits = gemm_limits(device) if workload.bags else {}
    for name in names:
        torch.manual_seed(0)
        model = build_aggregator(parse_model({"name": name}), workload.dim)
        yield {
            "name": name,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "step": None if batch is None else compare(model, batch, workload.rounds, device, limits),
            "growth": grow(model, workload.sizes, device),
        }


def conditions(workload: Workload, device: torch.device) -> dict[str, Any]:
    """Device, versions and workload; nothing that identifies a machine."""
    result: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        **workload._asdict(),
    }
    if not workload.bags:
        return result
    lengths = log_normal_batch(workload.bags, workload.middle, 1).lengths
    return result | {
        "patches": int(lengths.sum()),
        "padding_factor": float(len(lengths) * lengths.max() / lengths.sum()),
    }


def head() -> str:
    """The header of the table of training steps; speed-ups and memory are relative to `padded`."""
    return _cells(COLUMNS)


def lines(row: dict[str, Any]) -> Iterator[str]:
    """A row as text: the training step, then one line per size."""
    parameters, step = f"{row['parameters'] / 1e6:.2f}", row["step"]
    if step is None:
        yield _cells((row["name"], parameters))
    else:
        variants = [step[name] for name in ("packed", "packed_bf16", "checkpoint")]
        yield _cells(
            (
                row["name"],
                parameters,
                f"{step['padded']['seconds']:.3g}",
                *(f"x{variant['faster']:.2f}" for variant in variants),
                " ".join("?" if v["memory_share"] is None else f"{v['memory_share']:.2f}" for v in variants),
                " ".join(f"{v['of_gemm_limit']:.2f}" for v in variants[:2]),
                f"{step['packed']['difference']:.0e}",
            )
        )
    for size in row["growth"]:
        parts = [
            f"infer {size['infer_seconds']:.3g} s" if size["infer_seconds"] is not None else "not run: too slow",
            f"peak {size['peak_bytes'] / 1e6:.0f} MB above the bag" if size["peak_bytes"] is not None else "",
            f"train step {size['train_seconds']:.3g} s" if size["train_seconds"] is not None else "",
        ]
        yield f"  {size['patches']:>8} patches  " + ", ".join(part for part in parts if part)


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(texts, COLUMNS.values(), strict=False)).rstrip()
