"""Cross-validated training, compared with the same training in a plain torch loop that has all features in memory.

The plain loop trains the same model: the same number of steps and validations, predictions of all slides, no files.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from oceanpath.artifacts.folds import ROLES, read_fold, write_folds
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bench.clock import Spent, spend
from oceanpath.bench.cohort import bag_lengths, write_cohort
from oceanpath.models.classifier import WSIClassifier
from oceanpath.pipeline.processes import peak_memory_mb, reset_peak_memory
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run as build_store
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.work import parts, run_part

CLASSES = ("a", "b")
LARGE_BATCH = 64
"""Bags that the plain loop evaluates at once."""
PLAIN, STAGE = "plain torch loop", "oceanpath train"


@dataclass(frozen=True)
class TrainCost:
    """CPU time of one way to train all folds."""

    case: str
    way: str
    cpu_seconds: float
    """All folds."""
    cpu_ms: float
    """Per step."""
    times_plain: float
    """CPU time as a multiple of that of the plain loop."""
    wall_seconds: float
    peak_mb: float | None = None
    """Peak memory of the whole process; None if it was not measured."""


@dataclass(frozen=True)
class CohortSize:
    """The generated cohort."""

    slides: int
    median: int
    """Median number of patches per bag."""
    dim: int
    folds: int


def bench_train(scratch: Path, size: CohortSize, settings: TrainSettings) -> list[TrainCost]:
    """Train all folds in both ways, in turn, after one short fold of each; without early stopping."""
    inputs, peak = write_inputs(scratch, size), None
    settings = settings.model_copy(update={"patience": settings.epochs, "device": "cpu"})
    warm, rows = settings.model_copy(update={"epochs": 1}), load_rows(inputs, 0)
    _train(warm, inputs, 0, scratch / "warm")
    train_plainly(warm, rows, size.dim)
    steps = size.folds * settings.epochs * -(-len(rows["train"][0]) // bags_per_step(settings))
    spent: dict[str, list[Spent]] = {PLAIN: [], STAGE: []}
    for fold in range(size.folds):
        del rows
        reset_peak_memory()
        spent[STAGE].append(spend(partial(_train, settings, inputs, fold, scratch / f"out_{fold}")))
        peak = max(peak or 0.0, peak_memory_mb() or 0.0) or None
        rows = load_rows(inputs, fold)
        spent[PLAIN].append(spend(partial(train_plainly, settings, rows, size.dim)))
    cpu = {way: sum(run.cpu for run in runs) for way, runs in spent.items()}
    case = f"{size.slides} bags, median {size.median} x {size.dim}, {size.folds} folds, {settings.epochs} epochs"
    return [
        TrainCost(
            *(case, way, cpu[way], 1e3 * cpu[way] / steps, cpu[way] / cpu[PLAIN]),
            wall_seconds=sum(run.wall for run in runs),
            peak_mb=peak if way == STAGE else None,
        )
        for way, runs in spent.items()
    ]


def train_table(costs: list[TrainCost]) -> str:
    """The costs as a Markdown table."""
    head = "| data | method | CPU s | CPU ms per step | x plain loop | wall s | peak MB of the process |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for cost in costs:
        peak = "" if cost.peak_mb is None else f"{cost.peak_mb:.0f}"
        speed = f"{cost.cpu_seconds:.1f} | {cost.cpu_ms:.2f} | {cost.times_plain:.2f} | {cost.wall_seconds:.1f}"
        lines.append(f"| {cost.case} | {cost.way} | {speed} | {peak} |")
    return "\n".join(lines)


def write_inputs(scratch: Path, size: CohortSize) -> Inputs:
    """A store of random features, and folds: a fold tests its share of the slides, a fifth of the others validates."""
    lengths, folds = bag_lengths(size.slides, size.median), size.folds
    write_cohort(scratch / "features", "contiguous", lengths, size.dim, "float32")
    (scratch / "store").mkdir()
    build_store(MmapSettings(features=scratch / "features"), Inputs(), scratch / "store", Quiet())
    store = Store(scratch / "store", check=False)
    names, numbers = store.slide_ids, np.arange(len(lengths))
    table = pd.DataFrame({"slide_id": names, "patient_id": names, "label": [CLASSES[k % 2] for k in numbers]})
    order = np.random.default_rng(0).permutation(len(lengths))
    frames = []
    for fold in range(folds):
        is_val = (order // folds) % 5 == 0
        roles = np.where(order % folds == fold, "test", np.where(is_val, "val", "train"))
        frames.append(table.assign(role=roles))
    (scratch / "split").mkdir()
    facts = {"scheme": "kfold", "seed": 0, "classes": list(CLASSES), "excluded": [], "balance": {}}
    write_folds(scratch / "split", frames, facts)
    return Inputs({"mmap": scratch / "store", "split": scratch / "split"}, {"mmap": "store", "split": "split"})


def bags_per_step(settings: TrainSettings) -> int:
    """The batch size, which a benchmark sets."""
    assert settings.batch_size is not None, "a benchmark states its batch size"
    return settings.batch_size


def _train(settings: TrainSettings, inputs: Inputs, fold: int, out: Path) -> None:
    out.mkdir()
    run_part(settings, inputs, parts(settings, inputs)[fold], out, Quiet())


Labelled = tuple[list[Tensor], Tensor]
"""Features [n, D] float32 of each slide, and labels [n]."""


def load_rows(inputs: Inputs, fold: int) -> dict[str, Labelled]:
    """The slides of a fold by role, in memory."""
    store, frame = Store(inputs["mmap"], check=False), read_fold(inputs["split"], fold)
    rows = {}
    for role in ROLES:
        table = frame[frame["role"] == role]
        features = [torch.tensor(store.features(store.number(name))) for name in table["slide_id"]]
        rows[role] = features, torch.tensor([CLASSES.index(label) for label in table["label"]])
    return rows


def train_plainly(settings: TrainSettings, rows: Mapping[str, Labelled], dim: int) -> list[Tensor]:
    """Train as a script would; returns the logits of all roles under the best weights."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    model = WSIClassifier(settings.model, dim, CLASSES)
    optimizer = torch.optim.AdamW(model.parameters(), settings.lr, weight_decay=settings.weight_decay)
    (features, labels), (val, val_labels) = rows["train"], rows["val"]
    steps = settings.epochs * -(-len(features) // bags_per_step(settings))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, state = float("inf"), model.state_dict()
    for _ in range(settings.epochs):
        model.train()
        for chosen in torch.split(torch.randperm(len(features)), bags_per_step(settings)):
            optimizer.zero_grad()
            logits = model.output_packed(concatenated([features[k] for k in chosen.tolist()])).logits
            loss = nn.functional.cross_entropy(logits, labels[chosen])
            loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimizer.step()
            schedule.step()
            loss.item()
        score = float(nn.functional.cross_entropy(logits_of(model, val), val_labels))
        if score < best:
            best, state = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return [logits_of(model, features) for features, _ in rows.values()]


@torch.inference_mode()
def logits_of(model: WSIClassifier, features: list[Tensor]) -> Tensor:
    """Logits of all slides, several at once."""
    model.eval()
    return torch.cat([model.output_packed(batch).logits for batch in _batches(features)])


def _batches(features: list[Tensor]) -> Iterator[Batch]:
    return (concatenated(features[k : k + LARGE_BATCH]) for k in range(0, len(features), LARGE_BATCH))


def concatenated(features: list[Tensor]) -> Batch:
    """A batch of these bags."""
    return Batch(torch.cat(features), torch.tensor([0, *map(len, features)]).cumsum(0))
