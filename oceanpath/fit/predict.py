"""Predictions of a trained classifier: whole bags, one at a time, in eval mode. No training, no Lightning."""

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


class Predictions(NamedTuple):
    """One row a slide, in the order that was asked for."""

    probabilities: NDArray[np.float64]
    """[n, C], each row sums to 1."""
    logits: NDArray[np.float32]
    """[n, C]."""
    embeddings: NDArray[np.float32]
    """[n, E]."""


@torch.inference_mode()
def predict(classifier: WSIClassifier, store: Store, numbers: Sequence[int], device: torch.device | str) -> Predictions:
    """What `classifier` says about the slides `numbers` of `store`; a slide's row depends on that slide alone.

    The mode of the classifier (train or eval) is put back afterwards.
    """
    bags = loader_of(BagDataset(store, numbers), [[Draw(position, 0)] for position in range(len(numbers))])
    was_training = classifier.training
    classifier.to(device).eval()
    with fast_float32(device):
        outputs = [classifier.output_packed(bag.to(device)) for bag in bags]
    classifier.train(was_training)
    n_classes, width = len(classifier.classes), classifier.aggregator.embed_dim
    logits = np.array([out.logits[0].cpu().numpy() for out in outputs], np.float32).reshape(-1, n_classes)
    embeddings = np.array([out.slide_embedding[0].float().cpu().numpy() for out in outputs], np.float32)
    return Predictions(softmax(logits), logits, embeddings.reshape(-1, width))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Class probabilities [n, C] in float64 of logits [n, C]."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True, initial=-np.inf))
    total: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return total


@torch.inference_mode()
def predict_attention(
    checkpoint: Path, features: NDArray[np.floating], coords: NDArray[np.int32] | None, device: str = "cpu"
) -> NDArray[np.float32]:
    """Attention [n] of one slide's patches under the model at `checkpoint`: non-negative, sums to 1.

    A long slide is read in blocks.

    Raises: ArtifactError: a damaged checkpoint, or features [n, D] of another length D.
    """
    classifier = load_checkpoint(checkpoint, device)
    if features.ndim != 2 or features.shape[1] != classifier.in_dim or not len(features):
        raise ArtifactError(
            "wrong features for this model", where=checkpoint, expected=f"[n, {classifier.in_dim}]", got=features.shape
        )
    rows = torch.from_numpy(np.array(features, copy=True))
    places = None if coords is None else torch.from_numpy(np.array(coords, copy=True))
    bag = Batch(rows, torch.tensor([0, len(rows)]), places).to(device)
    attention = classifier.output_packed(bag, return_attention=True).extras["attention"]
    weights: NDArray[np.float32] = attention.float().cpu().numpy()
    return weights
