"""Batching strategies of pretraining on a store: time of an epoch, padding, sizes of batches, and memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from torch import Tensor

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Batching
from oceanpath.bags.batching.kinds import refusal
from oceanpath.bags.batching.registry import OTHER_NAMES, VIEW_BATCHINGS, batching_class, parse_view_batching
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbour_table import neighbour_table
from oceanpath.bags.view_loader import StoreFacts, ViewLoader, ViewSettings
from oceanpath.bench.clock import spend
from oceanpath.bench.rounds import peak_mb

STRATEGIES = (
    "pad_to_max_in_batch",
    "pad_to_global",
    "token_budget",
    *OTHER_NAMES,
    *(name for name in VIEW_BATCHINGS if not name.startswith("pad_")),
    "sequence_packing",
)
"""The strategies that are compared by default."""
PLAIN, AUGMENTED = "without augmentation", "with augmentation"


class Workload(NamedTuple):
    """What all strategies share."""

    batch_size: int = 32
    budget: int = 32768
    """Maximum rows per batch of the strategies with a budget."""
    min_batch: int = 2
    readers: int = 2
    seed: int = 0


@dataclass(frozen=True)
class StrategyCost:
    """An epoch by one strategy."""

    case: str
    way: str
    epoch_seconds: float
    """Time of the second epoch."""
    cpu_seconds: float
    batches: int
    slides: int
    """Number of different slides of an epoch."""
    bags_per_batch: tuple[int, float, int]
    """Smallest, median and largest."""
    rows_per_batch: tuple[int, float, int]
    """Computed rows of all views: smallest, median and largest."""
    padding_ratio: float
    """Padded rows as a share of the computed rows."""
    token_utilization: float
    """Rows with a patch as a share of what the epoch would compute if all its batches were as large as the largest."""
    peak_mb: float
    """Peak memory above that of the process, in MB, without mapped files."""


def bench_batching(
    store: Store, strategies: Sequence[str], numbers: Sequence[int], augment: bool, workload: Workload
) -> Iterator[StrategyCost]:
    """One row per strategy without augmentation, and with `augment` another one with the default augmentations."""
    with tempfile.TemporaryDirectory() as folder:
        facts = StoreFacts(feature_deviation(store, numbers), neighbour_table(store, Path(folder)))
        cases = {PLAIN: AugmentSettings.off()} | ({AUGMENTED: AugmentSettings()} if augment else {})
        loaders = {
            (case, name): _loader(BagDataset(store, numbers), strategy_of(name, workload), settings, facts, workload)
            for case, settings in cases.items()
            for name in strategies
        }
        # before any computation of this process: a fork has no threads of torch
        peaks = {key: peak_mb(_epoch(loader)) for key, loader in loaders.items()}
        for (case, name), loader in loaders.items():
            yield _measure(case, name, loader, peaks[case, name])


def strategy_of(name: str, workload: Workload) -> Batching:
    """A strategy with its default settings, and the common budget if it has one."""
    table = {"budget": workload.budget} if "budget" in batching_class(name).model_fields else {}
    return parse_view_batching({"name": name, **table})


def usable(strategies: Sequence[str], has_coords: bool) -> dict[str, str | None]:
    """Strategy → why it cannot be used with a store that has coordinates or not; None: it can."""
    types = {name: batching_class(name) for name in strategies}
    return {name: refusal("a benchmark", "crops" not in one.kinds, one, has_coords) for name, one in types.items()}


def _loader(
    dataset: BagDataset, batching: Batching, augment: AugmentSettings, facts: StoreFacts, workload: Workload
) -> ViewLoader:
    """Two views per bag, those of DINO for `multi_crop` and those of JEPA for `jepa`."""
    size, seed, least = workload.batch_size, workload.seed, min(workload.min_batch, len(dataset))
    counts = {"multi_crop": (2, 6, False), "jepa": (1, 4, True)}.get(batching.name, (2, 0, False))
    return ViewLoader(dataset, ViewSettings(batching, augment, size, seed, *counts, least), facts, workload.readers)


def _epoch(loader: ViewLoader) -> Callable[[], object]:
    return lambda: sum(len(_computed(view)) for views in loader for view in views)


def _computed(view: Batch) -> Tensor:
    """The rows that a model computes, in memory."""
    return view.features if view.padded_to is None else view.padded()[0].flatten(0, 1)


def _measure(case: str, way: str, loader: ViewLoader, peak: float) -> StrategyCost:
    counted = [_count(views) for views in loader]  # the first epoch: reads every bag once
    loader.sampler.set_epoch(1)
    spent = spend(_epoch(loader))
    computed, real = [batch.computed for batch in counted], sum(batch.real for batch in counted)
    return StrategyCost(
        case,
        way,
        epoch_seconds=spent.wall,
        cpu_seconds=spent.cpu,
        batches=len(counted),
        slides=len({name for batch in counted for name in batch.slide_ids}),
        bags_per_batch=_spread([len(batch.slide_ids) for batch in counted]),
        rows_per_batch=_spread(computed),
        padding_ratio=1 - real / sum(computed),
        token_utilization=real / (max(computed) * len(computed)),
        peak_mb=peak,
    )


class _Counted(NamedTuple):
    slide_ids: tuple[str, ...]
    real: int
    computed: int


def _count(views: tuple[Batch, ...]) -> _Counted:
    real = sum(len(view.features) for view in views)
    computed = sum(len(view.features) if view.padded_to is None else view.padded_to * len(view) for view in views)
    return _Counted(views[0].slide_ids, real, computed)


def _spread(values: list[int]) -> tuple[int, float, int]:
    return min(values), float(median(values)), max(values)


def as_table(costs: Sequence[StrategyCost]) -> str:
    """The rows as Markdown."""
    head = "| views | strategy | s per epoch | batches | slides | bags per batch (min / median / max) | rows per batch "
    lines = [head + "| padding | token utilization | peak MB |", "|---" * 10 + "|"]
    for row in costs:
        sizes = [f"{low} / {middle:g} / {high}" for low, middle, high in (row.bags_per_batch, row.rows_per_batch)]
        shares = f"{row.padding_ratio:.1%} | {row.token_utilization:.1%} | {row.peak_mb:.0f}"
        first = f"{row.epoch_seconds:.2f} | {row.batches} | {row.slides}"
        lines.append(f"| {row.case} | {row.way} | {first} | {' | '.join(sizes)} | {shares} |")
    return "\n".join(lines)
