"""The whole measurement of some architectures: plain JSON values, and the same as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch

from oceanpath.models.bench.growth import grow
from oceanpath.models.bench.ways import compare, log_normal_batch
from oceanpath.models.registry import build_aggregator, parse_model

WIDTHS = (18, 9, 10, 12, 12, 11, 11)
HEAD = ("aggregator", "param. M", "padded s", "packed", "packed bf16", "memory", "differs")


class Work(NamedTuple):
    """What every architecture gets: a batch for the ways of a training step, and single bags of growing size."""

    dim: int = 1024
    bags: int = 16
    middle: int = 3000
    """Median patches of the batch's bags."""
    sizes: Sequence[int] = (1000, 10_000, 100_000)
    rounds: int = 5
    threads: int = 1


def measure(names: Sequence[str], work: Work, device: torch.device) -> Iterator[dict[str, Any]]:
    """One row an architecture with its default settings, as soon as it is measured."""
    torch.set_num_threads(work.threads)
    batch = log_normal_batch(work.bags, work.middle, work.dim)
    for name in names:
        torch.manual_seed(0)
        model = build_aggregator(parse_model({"name": name}), work.dim)
        yield {
            "name": name,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "step": compare(model, batch, work.rounds, device),
            "growth": grow(model, work.sizes, device),
        }


def conditions(work: Work, device: torch.device) -> dict[str, Any]:
    """What the figures were measured on and with; nothing that names a machine."""
    lengths = log_normal_batch(work.bags, work.middle, 1).lengths
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "torch": torch.__version__,
        **work._asdict(),
        "patches": int(lengths.sum()),
        "padding_factor": float(len(lengths) * lengths.max() / lengths.sum()),
    }


def head() -> str:
    """The head of the table of training steps; speed-ups and memory are against `padded`."""
    return "".join(f"{word:<{width}}" for word, width in zip(HEAD, WIDTHS, strict=True)).rstrip()


def lines(row: dict[str, Any]) -> Iterator[str]:
    """A row in words: the training step, then one line for every size."""
    step = row["step"]
    share = step["packed_bf16"]["memory_share"]
    cells = (
        row["name"],
        f"{row['parameters'] / 1e6:.2f}",
        f"{step['padded']['seconds']:.3g}",
        f"x{step['packed']['faster']:.2f}",
        f"x{step['packed_bf16']['faster']:.2f}",
        "" if share is None else f"{step['packed']['memory_share']:.2f} {share:.2f}",
        f"{step['packed']['difference']:.0e}",
    )
    yield "".join(f"{word:<{width}}" for word, width in zip(cells, WIDTHS, strict=True)).rstrip()
    for one in row["growth"]:
        parts = [
            f"infer {one['infer_seconds']:.3g} s" if one["infer_seconds"] is not None else "not run: too slow",
            f"peak {one['peak_bytes'] / 1e6:.0f} MB above the bag" if one["peak_bytes"] is not None else "",
            f"train step {one['train_seconds']:.3g} s" if one["train_seconds"] is not None else "",
        ]
        yield f"  {one['patches']:>8} patches  " + ", ".join(part for part in parts if part)
