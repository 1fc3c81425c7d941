"""The whole measurement of some architectures: plain JSON values, and the same as lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from oceanpath.bench.models.growth import grow
from oceanpath.bench.models.ways import compare, gemm_limits, log_normal_batch
from oceanpath.models.registry import build_aggregator, parse_model

COLUMNS = {
    "aggregator": 18,
    "param. M": 10,
    "padded s": 10,
    "packed": 8,
    "bf16": 8,
    "again": 8,
    "memory p/b/a": 16,
    "of GEMM p/b": 13,
    "differs": 8,
}
"""Words of the head and their widths: speed-ups of `packed`, `packed_bf16` and `checkpoint` over `padded`, their shares
of its memory, how close the first two come to matrix products alone, and how far packed embeddings differ."""


class Work(NamedTuple):
    """What every architecture gets: a batch for the ways of a training step (unless without bags), and single bags."""

    dim: int = 1024
    bags: int = 16
    middle: int = 3000
    """Median patches of the batch's bags."""
    sizes: Sequence[int] = (1000, 10_000, 100_000)
    rounds: int = 5
    threads: int = 1


def measure(names: Sequence[str], work: Work, device: torch.device) -> Iterator[dict[str, Any]]:
    """One row an architecture with its default settings, as soon as it is measured; "step" is None without bags."""
    torch.set_num_threads(work.threads)
    batch = log_normal_batch(work.bags, work.middle, work.dim) if work.bags else None
    limits = gemm_limits(device) if work.bags else {}
    for name in names:
        torch.manual_seed(0)
        model = build_aggregator(parse_model({"name": name}), work.dim)
        yield {
            "name": name,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "step": None if batch is None else compare(model, batch, work.rounds, device, limits),
            "growth": grow(model, work.sizes, device),
        }


def conditions(work: Work, device: torch.device) -> dict[str, Any]:
    """What the figures were measured on and with; nothing that names a machine."""
    told: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        **work._asdict(),
    }
    if not work.bags:
        return told
    lengths = log_normal_batch(work.bags, work.middle, 1).lengths
    return told | {
        "patches": int(lengths.sum()),
        "padding_factor": float(len(lengths) * lengths.max() / lengths.sum()),
    }


def head() -> str:
    """The head of the table of training steps; speed-ups and memory are against `padded`."""
    return _cells(COLUMNS)


def lines(row: dict[str, Any]) -> Iterator[str]:
    """A row in words: the training step, then one line for every size."""
    size, step = f"{row['parameters'] / 1e6:.2f}", row["step"]
    if step is None:
        yield _cells((row["name"], size))
    else:
        ways = [step[name] for name in ("packed", "packed_bf16", "checkpoint")]
        yield _cells(
            (
                row["name"],
                size,
                f"{step['padded']['seconds']:.3g}",
                *(f"x{way['faster']:.2f}" for way in ways),
                " ".join("?" if way["memory_share"] is None else f"{way['memory_share']:.2f}" for way in ways),
                " ".join(f"{way['of_gemm_limit']:.2f}" for way in ways[:2]),
                f"{step['packed']['difference']:.0e}",
            )
        )
    for one in row["growth"]:
        parts = [
            f"infer {one['infer_seconds']:.3g} s" if one["infer_seconds"] is not None else "not run: too slow",
            f"peak {one['peak_bytes'] / 1e6:.0f} MB above the bag" if one["peak_bytes"] is not None else "",
            f"train step {one['train_seconds']:.3g} s" if one["train_seconds"] is not None else "",
        ]
        yield f"  {one['patches']:>8} patches  " + ", ".join(part for part in parts if part)


def _cells(words: Iterable[str]) -> str:
    return "".join(f"{word:<{width}}" for word, width in zip(words, COLUMNS.values(), strict=False)).rstrip()
