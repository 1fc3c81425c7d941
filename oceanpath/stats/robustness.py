"""Robustness index of embeddings to the site (Kömen et al. 2025; the definition of croma 1.0).

Of the k nearest neighbours of each slide, those of other patients: SO have the same class and another site, OS another
class and the same site. The index is SO / (SO + OS) over all slides: 1 where neighbours share the class, 0 where they
share the site. k is the one at which a k-NN vote predicts the class best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = (1, 3, 5, 10, 20)
TAIL = 0.10
"""Share of the slides with the lowest index whose mean is reported."""
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Robustness:
    """The index and its tail; `value` is None with a reason where it is undefined."""

    value: float | None
    tail: float | None = None
    k: int = 0
    n: int = 0
    reason: str = ""


def robustness_index(x: NDArray[np.float64], classes: Numbers, sites: Numbers, patients: Sequence[str]) -> Robustness:
    """The index of embeddings [n, D], by cosine.

    Only sites with slides of several classes are used: elsewhere the site and the class cannot be distinguished.
    """
    mixed = [site for site in np.unique(sites) if len(set(classes[sites == site].tolist())) > 1]
    own = np.flatnonzero(np.isin(sites, mixed))
    if len(mixed) < 2:
        return Robustness(None, n=len(own), reason="fewer than two sites have slides of several classes")
    owner = np.unique(np.asarray(patients)[own], return_inverse=True)[1]
    nearest = _nearest(x[own], owner, max(NEIGHBOURS))
    labels, places = classes[own], sites[own]
    scores = {k: _balanced_vote(labels, nearest[:, :k]) for k in NEIGHBOURS if k <= nearest.shape[1]}
    k = max(scores, key=lambda one: (scores[one], -one))
    same_class = labels[nearest[:, :k]] == labels[:, None]
    same_site = places[nearest[:, :k]] == places[:, None]
    so, os = (same_class & ~same_site).sum(axis=1), (~same_class & same_site).sum(axis=1)
    if not (total := int(so.sum() + os.sum())):
        return Robustness(None, k=k, n=len(own), reason="no neighbour differs in exactly one of class and site")
    known = np.sort((so / np.maximum(1, so + os))[so + os > 0])
    tail = float(known[: max(1, int(np.ceil(TAIL * len(known))))].mean())
    return Robustness(float(so.sum() / total), tail, k, len(own))


def _nearest(x: NDArray[np.float64], owner: Numbers, count: int) -> Numbers:
    """Rows of the nearest neighbours of other patients [n, k], nearest first."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    count = min(count, len(x) - int(np.bincount(owner).max()))
    nearest = np.empty((len(x), count), np.int64)
    for row in range(len(x)):
        cosines = np.where(owner == owner[row], -np.inf, unit @ unit[row])
        nearest[row] = np.argsort(-cosines, kind="stable")[:count]
    return nearest


def _balanced_vote(labels: Numbers, nearest: Numbers) -> float:
    """Balanced accuracy of the most frequent class of the neighbours [n, k]; of equals, the first."""
    votes = np.stack([(labels[nearest] == name).sum(axis=1) for name in np.unique(labels)], axis=1)
    decided = np.unique(labels)[votes.argmax(axis=1)]
    return float(np.mean([(decided[labels == name] == name).mean() for name in np.unique(labels)]))
