"""Inference and a training step of one bag, as functions of its number of patches."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from oceanpath.bags.batch import Batch
from oceanpath.bench.clock import Work
from oceanpath.bench.models.device import peak_bytes, seconds
from oceanpath.models.base import BaseMIL
from oceanpath.models.float32 import fast_float32

MAX_TRAINED = 20_000
"""Patches above which no training step is measured: training caps its bags, inference does not."""
MAX_SECONDS = 20.0
"""Seconds of one inference, or training step, above which larger bags are not run; their rows are null."""
QUICK_SECONDS = 1.0
"""If the first inference takes no longer than this, it is measured three times."""


def grow(model: BaseMIL, sizes: Sequence[int], device: torch.device) -> list[dict[str, Any]]:
    """For every size: seconds of inference and its peak bytes beyond the bag, and seconds of a training step, or None.

    The patches of a bag are on a grid. Memory is that of the first inference, which is not timed.
    """
    model = copy.deepcopy(model).to(device)
    rows: list[dict[str, Any]] = []
    for size in sizes:
        row: dict[str, Any] = {"patches": size, "infer_seconds": None, "peak_bytes": None, "train_seconds": None}
        rows.append(row)
        if len(rows) > 1 and (rows[-2]["infer_seconds"] is None or rows[-2]["infer_seconds"] > MAX_SECONDS):
            continue
        bag = square_bag(size, model.in_dim).to(device)
        infer = _inference(model, bag, device)
        first = seconds(partial(_remember_peak, row, infer, device), device)
        row["infer_seconds"] = min(seconds(infer, device) for _ in range(3 if first < QUICK_SECONDS else 1))
        if size <= MAX_TRAINED and (len(rows) < 2 or (rows[-2]["train_seconds"] or 0.0) <= MAX_SECONDS):
            row["train_seconds"] = seconds(_training(model, bag, device), device)
    return rows


def square_bag(size: int, dim: int) -> Batch:
    """One bag of standard normal features whose patches, 512 level-0 pixels wide, fill a square."""
    features = torch.randn(size, dim, generator=torch.Generator().manual_seed(0))
    positions = torch.arange(size)
    side = math.isqrt(size - 1) + 1
    coords = torch.stack([positions % side, positions // side], dim=1).int() * 512
    return Batch(features, torch.tensor([0, size]), coords)


def _remember_peak(row: dict[str, Any], work: Work, device: torch.device) -> None:
    row["peak_bytes"] = peak_bytes(work, device)


def _inference(model: BaseMIL, bag: Batch, device: torch.device) -> Work:
    def infer() -> None:
        model.eval()
        with torch.inference_mode(), fast_float32(device):
            model.forward_packed(bag)

    return infer


def _training(model: BaseMIL, bag: Batch, device: torch.device) -> Work:
    def train() -> None:
        model.train().zero_grad(set_to_none=True)
        with fast_float32(device):
            model.forward_packed(bag)[0].square().sum().backward()  # type: ignore[no-untyped-call]  # untyped in torch

    return train
