"""Outputs of a trained model for complete bags, in eval mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.base import Draw, Epoch
from oceanpath.bags.batching.token_budget import TokenBudget
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import loader_of
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.float32 import fast_float32


class Outputs(NamedTuple):
    """One row per slide, in the order of the request."""

    outputs: NDArray[np.float32]
    """[n, C], as returned by the model; `Objective.values` turns them into predictions."""
    embeddings: NDArray[np.float32]
    """[n, E]."""


ROWS = 8192
"""Maximum number of patches that `predict` with `together` computes at once; a longer bag is computed alone."""


@torch.inference_mode()
def predict(
    model: WSIClassifier, store: Store, numbers: Sequence[int], device: torch.device | str, *, together: bool = False
) -> Outputs:
    """The outputs of `model` for the slides `numbers` of `store`, in their order.

    The row of a slide depends only on that slide. With `together` small bags are computed several at a time: this is
    faster, and the last bits of a row depend on the slides next to it. The mode of the model (train or eval) is
    restored afterwards.
    """
    dataset = BagDataset(store, numbers)
    loader = loader_of(dataset, _batches(dataset, ROWS if together else 1))
    was_training = model.training
    model.to(device).eval()
    outputs = [np.zeros((0, len(model.outputs)), np.float32)]
    embeddings = [np.zeros((0, model.aggregator.embed_dim), np.float32)]
    for batch in loader:
        with fast_float32(device, len(batch.features)):
            output = model.output_packed(batch.to(device))
        outputs.append(output.logits.float().cpu().numpy())
        embeddings.append(output.slide_embedding.float().cpu().numpy())
    model.train(was_training)
    return Outputs(np.concatenate(outputs), np.concatenate(embeddings))


def _batches(dataset: BagDataset, rows: int) -> list[list[Draw]]:
    """Consecutive bags of at most `rows` patches together."""
    draws, lengths = [Draw(position, 0) for position in range(len(dataset))], map(dataset.length, range(len(dataset)))
    return TokenBudget(budget=rows, max_bags=rows).plan(Epoch(draws, list(lengths), 1, np.random.default_rng(0)))
