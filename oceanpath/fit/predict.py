"""Outputs of a trained model for complete bags, one at a time, in eval mode. No training, no Lightning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import loader_of
from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.float32 import fast_float32


class Outputs(NamedTuple):
    """One row per slide, in the order of the request."""

    outputs: NDArray[np.float32]
    """[n, C], as returned by the model; `Objective.values` turns them into predictions."""
    embeddings: NDArray[np.float32]
    """[n, E]."""


@torch.inference_mode()
def predict(model: WSIClassifier, store: Store, numbers: Sequence[int], device: torch.device | str) -> Outputs:
    """The outputs of `model` for the slides `numbers` of `store`; the row of a slide depends only on that slide.

    The mode of the model (train or eval) is restored afterwards.
    """
    bags = loader_of(BagDataset(store, numbers), [[Draw(position, 0)] for position in range(len(numbers))])
    was_training = model.training
    model.to(device).eval()
    with fast_float32(device):
        batches = [model.output_packed(bag.to(device)) for bag in bags]
    model.train(was_training)
    outputs = np.array([batch.logits[0].cpu().numpy() for batch in batches], np.float32)
    embeddings = np.array([batch.slide_embedding[0].float().cpu().numpy() for batch in batches], np.float32)
    return Outputs(outputs.reshape(-1, len(model.outputs)), embeddings.reshape(-1, model.aggregator.embed_dim))


@torch.inference_mode()
def predict_attention(
    checkpoint: Path, features: NDArray[np.floating], coords: NDArray[np.int32] | None, device: str = "cpu"
) -> NDArray[np.float32]:
    """Attention [n] of one slide's patches under the model at `checkpoint`: non-negative, sums to 1.

    A long slide is read in blocks.

    Raises: ArtifactError: a damaged checkpoint, or features [n, D] of another width D.
    """
    model = load_checkpoint(checkpoint, device).model
    if features.ndim != 2 or features.shape[1] != model.in_dim or not len(features):
        raise ArtifactError(
            "the features do not fit this model", where=checkpoint, expected=f"[n, {model.in_dim}]", got=features.shape
        )
    rows = torch.from_numpy(np.array(features, copy=True))
    level0 = None if coords is None else torch.from_numpy(np.array(coords, copy=True))
    bag = Batch(rows, torch.tensor([0, len(rows)]), level0).to(device)
    attention = model.output_packed(bag, return_attention=True).extras["attention"]
    weights: NDArray[np.float32] = attention.float().cpu().numpy()
    return weights
