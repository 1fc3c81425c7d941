"""Slide embeddings of a whole store, and the baselines that need no aggregator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from oceanpath.artifacts.pretrained import read_weights
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import loader_of
from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.seeds import seed_torch
from oceanpath.models.base import BaseMIL
from oceanpath.models.float32 import fast_float32
from oceanpath.models.pretrained import load_pretrained
from oceanpath.models.registry import build_aggregator, parse_model

Floats = NDArray[np.float32]


def load_aggregator(path: Path) -> BaseMIL:
    """The aggregator of pretrained weights (aggregator.safetensors) or of a trained model (best.ckpt), in eval mode.

    Raises: ArtifactError: the file is damaged, or is neither.
    """
    if path.suffix != ".safetensors":
        return load_checkpoint(path).model.aggregator
    return load_pretrained(path)[0]


def random_aggregator(path: Path, seed: int) -> BaseMIL:
    """The architecture of pretrained weights with random weights. Raises: ArtifactError: as `read_weights`."""
    facts = read_weights(path)[0]
    seed_torch(seed, "random aggregator")
    return build_aggregator(parse_model(facts.model), facts.in_dim).eval()


@torch.inference_mode()
def embed_store(aggregator: BaseMIL, store: Store) -> Floats:
    """Embeddings [S, E] of all slides of a store, in its order; each depends on its slide alone.

    Raises: ArtifactError: the patch features have another length.
    """
    _check_dim(aggregator, store)
    bags = loader_of(BagDataset(store, range(len(store))), [[Draw(number, 0)] for number in range(len(store))])
    with fast_float32():
        rows = [aggregator.forward_packed(bag)[0][0].float().numpy() for bag in bags]
    return np.array(rows, np.float32)


@torch.inference_mode()
def patch_scores(path: Path, store: Store, number: int) -> dict[str, Floats]:
    """Score → [n] of the patches of a slide.

    attention; of a trained model whose outputs are sums over the patches also contribution_<output> for every output.

    Raises: ArtifactError: as `load_aggregator` and `embed_store`.
    """
    classifier = load_checkpoint(path).model if path.suffix != ".safetensors" else None
    aggregator = load_aggregator(path) if classifier is None else classifier.aggregator
    _check_dim(aggregator, store)
    (bag,) = loader_of(BagDataset(store, [number]), [[Draw(0, 0)]])
    with fast_float32():
        attention = aggregator.forward_packed(bag, return_attention=True)[1]
        parts = None if classifier is None else classifier.contributions(bag.features)
    scores = {} if attention is None else {"attention": attention.float().numpy()}
    if classifier is not None and parts is not None:
        columns = zip(classifier.outputs, parts.float().numpy().T, strict=True)
        scores |= {f"contribution_{output}": column for output, column in columns}
    return scores


def _check_dim(aggregator: BaseMIL, store: Store) -> None:
    if aggregator.in_dim != store.dim:
        what = "the aggregator reads patch features of another length"
        raise ArtifactError(what, where=store.path, expected=aggregator.in_dim, got=store.dim)


def pooled(store: Store) -> dict[str, Floats]:
    """Name → [S, …]: mean, maximum, and mean with standard deviation of the patch features of each slide."""
    bags = [store.features(number).astype(np.float32) for number in range(len(store))]
    mean, deviation = np.array([bag.mean(axis=0) for bag in bags]), np.array([bag.std(axis=0) for bag in bags])
    largest = np.array([bag.max(axis=0) for bag in bags])
    return {"mean": mean, "max": largest, "mean and std": np.concatenate([mean, deviation], axis=1)}


def whitened(rows: Floats, reference: Floats, count: int = 64) -> Floats:
    """Coordinates [S, count] of rows along the principal axes of `reference` [R, D], in its standard deviations."""
    centred = reference - reference.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    count = min(count, int((scales > 1e-6 * scales[0]).sum()))
    spread = scales[:count] / np.sqrt(len(reference) - 1)
    white: Floats = ((rows - reference.mean(axis=0)) @ axes[:count].T / spread).astype(np.float32)
    return white
