"""VICReg (Bardes, Ponce, LeCun 2022, eq. 1-6) on slide embeddings, with batches in which every slide has two views."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from oceanpath.artifacts.folds import read_fold
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.base import Batching, Draw, Epoch, chunks
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.packed import PackedLoader
from oceanpath.errors import ArtifactError
from oceanpath.models.registry import build_aggregator
from oceanpath.pipeline.stage import Inputs, Progress, Summary

from .settings import PretrainingSettings


class TwoViews(Batching):
    """Batches in which every slide appears twice, with different patches."""

    name: Literal["two_views"] = "two_views"

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        full = [batch for batch in chunks(epoch.draws, epoch.batch_size) if len(batch) > 1]
        return [[draw._replace(view=view) for draw in batch for view in (0, 1)] for batch in full]


def run(settings: PretrainingSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Train on the training patients of fold 0."""
    store = Store(inputs["mmap"], check=inputs.verify)
    fold = read_fold(inputs["split"], 0)
    names = sorted(fold.loc[fold["role"] == "train", "slide_id"])
    dataset = BagDataset(store, [store.number(name) for name in names], None, settings.max_patches, settings.seed)
    lengths = [dataset.length(position) for position in range(len(dataset))]
    batches = BatchSampler(lengths, TwoViews(), settings.batch_size, settings.seed)
    torch.manual_seed(settings.seed)
    model = build_aggregator(settings.model, store.dim)
    optimizer, history = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    progress.start(settings.epochs, "epochs")
    for epoch in range(settings.epochs):
        batches.set_epoch(epoch)
        losses = []
        for batch in PackedLoader(dataset, batches):
            embeddings, _ = model.forward_packed(batch)
            assert batch.views is not None
            loss = vicreg(embeddings[batch.views == 0], embeddings[batch.views == 1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        history.append(sum(losses) / len(losses))
        progress.advance()
    torch.save(model.state_dict(), out / "encoder.pt")
    write_json(out / "history.json", {"loss": history, "slides": names})
    return Summary(metrics={"slides": len(names), "loss": history[-1]}, lines=(f"{len(names)} slides",))


def vicreg(a: Tensor, b: Tensor) -> Tensor:
    """25 invariance + 25 variance + 1 covariance of two views [B, D]."""
    variance = sum(F.relu(1 - (view.var(dim=0) + 1e-4).sqrt()).mean() for view in (a, b))
    return 25 * F.mse_loss(a, b) + 25 * variance / 2 + covariance(a) + covariance(b)


def covariance(view: Tensor) -> Tensor:
    matrix = torch.cov(view.T)
    return (matrix - matrix.diag().diag()).square().sum() / len(matrix)


def check(path: Path) -> None:
    """Raises: ArtifactError: there are no weights."""
    if not (path / "encoder.pt").is_file():
        raise ArtifactError("no weights", where=path)
