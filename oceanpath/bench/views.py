"""Views of pretraining: time by the size of the slide, compared with all pairs of patches and with a training step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.augment.bag import Patches, SourceBag
from oceanpath.bags.augment.render import render
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.views import DualViewAugmentor
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.subsample_fixed_n import SubsampleFixedN
from oceanpath.bags.neighbours import nearest_rows
from oceanpath.bench.clock import Spent, Work, in_turn, spend
from oceanpath.models.registry import build_aggregator, parse_model

ALL_PAIRS, STORED, EACH_TIME = "all pairs of patches", "stored neighbours", "neighbours per view"
STEP = "training step"
PATCHES = 512
LIMIT = SubsampleFixedN(patches=PATCHES)
SPACING = 256
TOTAL = 32_768


@dataclass(frozen=True)
class ViewCost:
    """One way to make a view, or the share of a training step in which it is used."""

    case: str
    way: str
    cpu_ms: float
    """CPU time of a view in milliseconds."""
    us_per_patch: float
    """CPU time per patch of the view in microseconds."""
    times_all_pairs: float
    """Speed as a multiple of that with all pairs."""


class Slide(NamedTuple):
    """A generated slide."""

    bag: SourceBag
    features: Tensor
    """[N, D] float16."""
    neighbours: NDArray[np.int32]
    deviation: Tensor
    augmentor: DualViewAugmentor


def generated_slide(patches: int, dim: int) -> Slide:
    """Tissue of an irregular shape on a grid, with random features."""
    side = int(np.sqrt(patches) * 1.6) + 4
    y, x = np.mgrid[:side, :side]
    height = sum(np.sin(x * a + a) * np.sin(y * b + b) for a, b in np.random.default_rng(0).uniform(0.02, 0.3, (6, 2)))
    chosen = np.sort(np.argsort(-np.asarray(height).ravel(), kind="stable")[:patches])
    coords = (np.stack([chosen % side, chosen // side], axis=1) * SPACING).astype(np.int32)
    features = torch.randn(patches, dim, generator=torch.Generator().manual_seed(0)).half()
    augmentor = DualViewAugmentor(AugmentSettings(), seed=0, has_coords=True, count=1)
    bag = SourceBag("s", patches, dim, coords, SPACING)
    return Slide(bag, features, nearest_rows(coords), torch.ones(dim), augmentor)


def slides_of(patches: int, dim: int) -> list[Slide]:
    """Slides with `TOTAL` patches together, so that slides of all sizes are read from memory, as in a training."""
    slide = generated_slide(patches, dim)
    return [slide._replace(features=slide.features.clone()) for _ in range(max(1, TOTAL // patches))]


def make_view(slide: Slide, epoch: int, *, computes_neighbours: bool = False) -> Tensor:
    """Features of one view of at most `PATCHES` patches with the default augmentations."""
    neighbours = nearest_rows(slide.bag.positions) if computes_neighbours else slide.neighbours
    (view,) = slide.augmentor.views(slide.bag, epoch, LIMIT.limit)
    near = torch.from_numpy(neighbours[view.rows].astype(np.int64))
    rows = torch.from_numpy(view.rows)
    patches = Patches(slide.features, rows, near, torch.zeros_like(rows), slide.deviation)
    return render(slide.augmentor.steps.perturbations, patches, [view]).half()


def make_view_by_all_pairs(slide: Slide, epoch: int) -> Tensor:
    """The common method: perturb the whole slide in float32, with neighbours from all pairs; then take a sample."""
    random = np.random.default_rng(epoch)
    rows = np.sort(random.permutation(slide.bag.length)[: round(slide.bag.length * random.uniform(0.5, 1.0))])
    values, coords = slide.features[rows].float().numpy(), slide.bag.positions[rows]
    near = _by_all_pairs(coords, 5)
    changed = random.random(len(values)) < 0.5
    values[changed] = 0.8 * values[changed] + 0.2 * values[near[changed]].mean(axis=1)
    near = _by_all_pairs(coords, 3)
    changed = random.random(len(values)) < 0.5
    values[changed] = 0.85 * values[changed] + 0.15 * values[near[changed, 0]]
    values += 0.02 * random.standard_normal(values.shape, dtype=np.float32)
    values *= random.random(values.shape[1]) > 0.05
    return torch.from_numpy(values[random.permutation(len(values))[:PATCHES]]).half()


def _by_all_pairs(coords: NDArray[np.int32], k: int) -> NDArray[np.int64]:
    distances = np.square(coords[:, None].astype(np.float64) - coords[None]).sum(axis=2)
    return np.argpartition(distances, k + 1, axis=1)[:, 1 : k + 1]


def bench_views(sizes: Sequence[int], dim: int, views: int, rounds: int) -> list[ViewCost]:
    """Rows for slides of `sizes` patches; each measurement is the mean of `views` views of different epochs."""
    costs = []
    for size in sizes:
        slides = slides_of(size, dim)
        drawn = [(slides[k % len(slides)], k) for k in range(views)]
        patches = float(np.mean([len(make_view(slide, epoch)) for slide, epoch in drawn]))
        works: dict[str, Work] = {
            ALL_PAIRS: lambda slide=slides[0]: make_view_by_all_pairs(slide, 0),  # type: ignore[misc]  # bound by its default
            EACH_TIME: lambda drawn=drawn: [make_view(slide, e, computes_neighbours=True) for slide, e in drawn],  # type: ignore[misc]  # as above
            STORED: lambda drawn=drawn: [make_view(slide, epoch) for slide, epoch in drawn],  # type: ignore[misc]  # as above
        }
        runs = in_turn(works, rounds, spend)
        cpu = {name: _fastest(runs[name]) / (1 if name == ALL_PAIRS else views) for name in works}
        for name, seconds in cpu.items():
            rows = PATCHES if name == ALL_PAIRS else patches
            costs.append(
                ViewCost(f"{size} patches", name, seconds * 1e3, seconds * 1e6 / rows, cpu[ALL_PAIRS] / seconds)
            )
    return costs


class StepShare(NamedTuple):
    """CPU time of all views of a batch next to that of the training step of the aggregator."""

    views_ms: float
    step_ms: float

    @property
    def share(self) -> float:
        """Time of the views as a fraction of that of the step."""
        return self.views_ms / self.step_ms


def bench_step(bags: int, dim: int, rounds: int, model: str = "abmil") -> StepShare:
    """Two views of each of `bags` slides of 4,096 patches, and forward and backward passes in bfloat16."""
    slide, aggregator = generated_slide(4096, dim), build_aggregator(parse_model({"name": model}), dim)
    ready = [make_view(slide, epoch) for epoch in range(bags)]
    offsets = torch.tensor([0, *np.cumsum([len(view) for view in ready])])
    batch = Batch(torch.cat(ready), offsets)

    def step() -> None:
        for _ in range(2):
            with torch.autocast("cpu", torch.bfloat16):
                loss = aggregator.forward_packed(batch)[0].float().square().mean()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it

    works: dict[str, Work] = {"views": lambda: [make_view(slide, epoch) for epoch in range(2 * bags)], STEP: step}
    runs = in_turn(works, rounds, spend)
    return StepShare(_fastest(runs["views"]) * 1e3, _fastest(runs[STEP]) * 1e3)


def _fastest(runs: list[Spent]) -> float:
    return min(run.cpu for run in runs)


def as_table(costs: Sequence[ViewCost], step: StepShare) -> str:
    """The results as Markdown."""
    lines = ["| slide | method | CPU ms per view | µs per patch | x all pairs |", "|---|---|---|---|---|"]
    lines += [
        f"| {c.case} | {c.way} | {c.cpu_ms:.2f} | {c.us_per_patch:.2f} | {c.times_all_pairs:.1f} |" for c in costs
    ]
    lines.append(f"\nviews of a batch: {step.views_ms:.0f} ms, {step.share:.0%} of the step of {step.step_ms:.0f} ms")
    return "\n".join(lines)
