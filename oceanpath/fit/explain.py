"""What patches contribute to the prediction of a trained model, and what it predicts without some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from oceanpath.bags.batch import Batch
from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.objectives.base import Explained

Floats = NDArray[np.float64]
ROWS = 8192
"""Maximum number of patches of several bags that are computed at once; a longer bag is computed alone."""


@dataclass(frozen=True)
class Explanation:
    """The prediction of a slide, divided among its patches."""

    attention: NDArray[np.float32]
    """[n], non-negative, sums to 1."""
    explained: Explained
    """The combination of outputs that is explained."""
    score: float
    """Its value for the slide."""
    contributions: Floats | None
    """[n], signed, sum to `score`; None if the architecture combines patches before it pools them."""
    alone: Floats | None
    """[n, K] values of a prediction table for each patch as the only one of its slide; None as `contributions`."""


class PatchExplainer:
    """A trained model that explains its predictions."""

    def __init__(self, checkpoint: Path, device: str = "cpu") -> None:
        """Raises: ArtifactError: a damaged checkpoint."""
        self.checkpoint, self.device = checkpoint, device
        self.model, self.objective = load_checkpoint(checkpoint, device)

    @torch.inference_mode()
    def explain(self, features: NDArray[np.floating], coords: NDArray[np.int32] | None) -> Explanation:
        """The explanation of one slide; a long slide is read in blocks.

        Raises: ArtifactError: features [n, D] of another width D.
        """
        bag = self._bag(features, coords)
        output = self.model.output_packed(bag, return_attention=True)
        attention = output.extras["attention"].float().cpu().numpy()
        logits = self.model.head(output.slide_embedding)[0].double().cpu().numpy()  # not limited, as contributions
        explained = self.objective.explained(logits)
        score = float(logits @ explained.weights)
        parts = self.model.contributions(bag.features)
        if parts is None:
            return Explanation(attention, explained, score, None, None)
        contributions = parts.double().cpu().numpy() @ explained.weights
        return Explanation(attention, explained, score, contributions, self._alone(bag.features))

    @torch.inference_mode()
    def scores(
        self,
        features: NDArray[np.floating],
        coords: NDArray[np.int32] | None,
        subsets: Sequence[NDArray[np.intp]],
        weights: Floats,
    ) -> Floats:
        """`weights` [C] times the outputs of the model for each of the `subsets` of patches (row numbers), [m]."""
        whole, scores = self._bag(features, coords), []
        for group in _grouped(subsets):
            rows = torch.from_numpy(np.concatenate(group)).to(self.device)
            offsets = torch.tensor([0, *np.cumsum([len(one) for one in group])], device=self.device)
            level0 = None if whole.coords is None else whole.coords[rows]
            scores.append(self.model.output_packed(Batch(whole.features[rows], offsets, level0)).logits.double().cpu())
        found: Floats = np.concatenate(scores) @ weights
        return found

    def _alone(self, rows: torch.Tensor) -> Floats:
        blocks = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
        outputs = [self.model(block.unsqueeze(1)).cpu().numpy() for block in blocks]
        return self.objective.values(np.concatenate(outputs))

    def _bag(self, features: NDArray[np.floating], coords: NDArray[np.int32] | None) -> Batch:
        if features.ndim != 2 or features.shape[1] != self.model.in_dim or not len(features):
            expected, got = f"[n, {self.model.in_dim}]", features.shape
            what = "the features do not fit this model"
            raise ArtifactError(what, where=self.checkpoint, expected=expected, got=got)
        rows = torch.from_numpy(np.array(features, copy=True))
        level0 = None if coords is None else torch.from_numpy(np.array(coords, copy=True))
        return Batch(rows, torch.tensor([0, len(rows)]), level0).to(self.device)


def _grouped(subsets: Sequence[NDArray[np.intp]]) -> list[list[NDArray[np.intp]]]:
    """Consecutive subsets of at most `ROWS` patches together."""
    groups: list[list[NDArray[np.intp]]] = [[]]
    for subset in subsets:
        if groups[-1] and sum(map(len, groups[-1])) + len(subset) > ROWS:
            groups.append([])
        groups[-1].append(subset)
    return groups
