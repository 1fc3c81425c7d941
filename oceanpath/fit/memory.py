"""A forecast of the memory of a training, from what the backward passes of three small bags keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.bags.placement import free_bytes
from oceanpath.errors import ExperimentError
from oceanpath.fit.trainer import Training
from oceanpath.models.classifier import WSIClassifier

SIZES = (256, 512, 1024)
"""Patches of the bags whose backward passes are measured."""
STEPS = 1000
"""Number of planned steps among which the largest is searched."""
PER_PARAMETER = 16
"""Bytes of weight, gradient and both moments of AdamW."""
MARGIN = 1.5
"""Factor for gradients and intermediate results that are not kept."""
RECOMPUTED = 1 / 3
"""Share of what is kept without checkpointing that exists while the backward pass recomputes a block."""
NEGLIGIBLE = 0.1
"""Share of the free memory below which an upper estimate is not refined."""
WIDTHS = 200
"""Upper estimate of the numbers per patch that an architecture keeps, in hidden widths."""


class Forecast(NamedTuple):
    """The largest planned step of a training."""

    bags: int
    longest: int
    """Patches of its longest bag."""
    bytes: int
    free: int
    """Bytes that training may use."""


def forecast(training: Training, limit_gb: float | None) -> Forecast:
    """The memory of the largest step; `limit_gb` instead of the free memory of the device."""
    free = free_bytes(training.device) if limit_gb is None else int(limit_gb * 1e9)
    largest = max(_steps(training), key=sum)
    dim, hidden = training.model.in_dim, getattr(training.model.settings, "hidden", 512)
    size = 4 * sum(largest) * (dim + WIDTHS * hidden)
    if size > NEGLIGIBLE * free:
        parameters = sum(parameter.numel() for parameter in training.model.parameters())
        size = int(_activations(training, largest)) + PER_PARAMETER * parameters + 4 * dim * sum(largest)
    return Forecast(len(largest), max(largest), size, free)


def check_memory(training: Training, limit_gb: float | None) -> None:
    """Raise ExperimentError if the largest step does not fit."""
    needed = forecast(training, limit_gb)
    if needed.bytes <= needed.free:
        return
    fits = max(1, int(needed.longest * needed.free / needed.bytes))
    checkpoint = "" if training.model.settings.checkpoint else ", or set model.checkpoint = true"
    raise ExperimentError(
        "a training step needs more memory than is free",
        where="[train]",
        expected=f"at most {needed.free / 1e9:.2g} GB",
        got=f"about {needed.bytes / 1e9:.2g} GB for {needed.bags} bags, the longest of {needed.longest} patches",
        do=f"Lower train.max_patches, for example to {fits}, or train.batch_size{checkpoint}. "
        "If the forecast is wrong, set train.memory_gb.",
    )


def _steps(training: Training) -> Iterable[Sequence[int]]:
    """The lengths of the bags that are in memory together, of the first steps."""
    length = training.dataset.length
    for step in islice(training.plan.steps(0), STEPS):
        together = step.batches if training.window is None else [[draw for part in step.batches for draw in part]]
        yield from ([length(draw.position) for draw in batch] for batch in together)


def _activations(training: Training, lengths: Sequence[int]) -> float:
    """Bytes of the activations of bags of these lengths at the peak."""
    aggregator = training.model.aggregator
    kept = MARGIN * _kept(training, lengths)
    if not aggregator.checkpoint:
        return kept
    aggregator.checkpoint = False
    try:
        return kept + RECOMPUTED * _kept(training, lengths)
    finally:
        aggregator.checkpoint = True


def _kept(training: Training, lengths: Sequence[int]) -> float:
    """Bytes that the backward pass of bags of these lengths keeps: quadratic in the length, fitted to small bags."""
    model, mode = training.model, training.model.training
    with torch.random.fork_rng():
        measured = [_saved_bytes(model.train(), size, training.device) for size in SIZES]
    model.train(mode)
    square, line, constant = np.polyfit(SIZES, measured, 2)
    n: NDArray[Any] = np.asarray(lengths, np.float64)
    return float(constant + (max(line, 0.0) * n + max(square, 0.0) * n**2).sum())


def _saved_bytes(model: WSIClassifier, patches: int, device: torch.device) -> int:
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    coords = torch.zeros(patches, 2, dtype=torch.int32, device=device)
    bag = Batch(torch.zeros(patches, model.in_dim, device=device), torch.tensor([0, patches], device=device), coords)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.output_packed(bag)
    assert output.logits.grad_fn is not None, "the graph keeps its tensors until here"
    return sum(storages.values())
