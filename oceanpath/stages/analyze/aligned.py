"""Embeddings of the models of all folds in common coordinates, by orthogonal Procrustes (Schönemann 1966).

Models of different folds have unrelated coordinates. They embed the same slides, so the embeddings of a fold are
centred, scaled and rotated onto those of the first fold. Labels are not used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from oceanpath.stages.analyze.layout import principal

Floats = NDArray[np.float64]
Embeddings = tuple[pd.DataFrame, NDArray[np.float32]]
"""The slides of a fold (with slide_id), and their embeddings [S, E]."""


FEWEST_SHARED = 3


def can_align(folds: Mapping[int, Embeddings]) -> bool:
    """Whether there are several folds, and the first one shares enough slides with each of the others."""
    (first, _), *others = folds.values()
    return bool(others) and all(ids["slide_id"].isin(first["slide_id"]).sum() >= FEWEST_SHARED for ids, _ in others)


def align(folds: Mapping[int, Embeddings]) -> dict[int, Floats]:
    """Fold → two coordinates [S, 2] of its slides in the principal components of all aligned folds together.

    Only the slides that two folds share determine the rotation between them.
    """
    (first, (reference_ids, reference)), *others = folds.items()
    target = pd.DataFrame(_unit(reference, np.arange(len(reference))), index=reference_ids["slide_id"])
    aligned = {first: target.to_numpy()}
    for fold, (ids, embeddings) in others:
        shared = np.flatnonzero(ids["slide_id"].isin(target.index))
        own = _unit(embeddings, shared)
        rotation, _ = orthogonal_procrustes(own[shared], target.loc[ids["slide_id"].iloc[shared]].to_numpy())
        aligned[fold] = own @ rotation
    together = np.concatenate(list(aligned.values()))
    flat = principal(together - together.mean(axis=0))
    ends = np.cumsum([0, *map(len, aligned.values())])
    return {fold: flat[ends[k] : ends[k + 1]] for k, fold in enumerate(aligned)}


def _unit(embeddings: NDArray[np.float32], shared: NDArray[np.intp]) -> Floats:
    """Embeddings relative to the mean of the shared slides, in units of their root mean square distance from it."""
    centred = embeddings.astype(np.float64) - embeddings[shared].mean(axis=0, dtype=np.float64)
    size = float(np.sqrt((centred[shared] ** 2).sum(axis=1).mean()))
    scaled: Floats = centred / max(size, 1e-12)
    return scaled
