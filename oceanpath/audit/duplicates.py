"""The same tissue under several slide ids: identical features, shared patches, and similar means.

A sketch holds the smallest hashes of the patches of a slide (Broder 1997), so the share of patches that two slides have
in common is estimated without comparing all patches. Hashes that many patients have, such as those of plain background,
are ignored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.audit_report import Finding, verdict
from oceanpath.artifacts.store.reader import Store

SKETCH = 512
"""Hashes per slide."""
FEWEST_SHARED = 3
"""Fewer common patches are not reported."""
COMMON = 2
"""A patch that more patients than this have is background."""
ROWS = 2048
"""Patches that are hashed at once."""


@dataclass(frozen=True)
class ScannedSlides:
    """Slides of a store, sorted by id."""

    slides: list[str]
    patients: list[str]
    means: NDArray[np.float64]
    """[S, D] mean feature."""
    lengths: NDArray[np.int64]
    """[S] patches before capping."""
    digests: list[str]
    """Digest of the bag of each slide."""
    sketches: list[NDArray[np.uint64]]
    """Sorted hashes of each slide."""


def scan(store: Store, owner: dict[str, str], advance: Callable[[], None]) -> ScannedSlides:
    """Read every bag once.

    Args:
        store: The bags.
        owner: Slide → its patient.
        advance: Called after every slide.
    """
    slides = sorted(owner)
    means, sketches, digests = np.empty((len(slides), store.dim)), [], []
    lengths = np.empty(len(slides), np.int64)
    store.expect(store.number(name) for name in slides)
    for row, name in enumerate(slides):
        number = store.number(name)
        means[row] = store.features(number).mean(axis=0, dtype=np.float64)
        sketches.append(sketch(store.stored(number)))
        digests.append(bytes(store.index.digests[number]).hex())
        lengths[row] = store.index.raw_lengths[number]
        advance()
    return ScannedSlides(slides, [owner[name] for name in slides], means, lengths, digests, sketches)


def sketch(patches: NDArray[Any]) -> NDArray[np.uint64]:
    """The `SKETCH` smallest hashes of patches [n, D], sorted, each once."""
    width = patches.shape[1] * patches.itemsize
    words = -(-width // 8)
    factors = np.random.default_rng(0).integers(0, 2**63, words, np.uint64) * np.uint64(2) + np.uint64(1)
    parts = []
    for start in range(0, len(patches), ROWS):
        rows = np.ascontiguousarray(patches[start : start + ROWS])
        padded = np.zeros((len(rows), words * 8), np.uint8)
        padded[:, :width] = rows.view(np.uint8).reshape(len(rows), width)
        hashes = (padded.view(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
        parts.append(_mix(hashes))
    return np.unique(np.concatenate(parts))[:SKETCH]


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Distribute hashes evenly (the finaliser of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def identical_features(scanned: ScannedSlides, roles: pd.DataFrame) -> Finding:
    """Pairs of slides with the same features."""
    groups = defaultdict[str, list[int]](list)
    for row, digest in enumerate(scanned.digests):
        groups[digest].append(row)
    pairs = [(pair, 1.0) for rows in groups.values() for pair in combinations(rows, 2)]
    return _finding("identical_features", "have identical features", pairs, scanned, roles, None)


def near_duplicates(
    scanned: ScannedSlides, roles: pd.DataFrame, *, similarity: float, shared_patches: float
) -> Finding:
    """Pairs of slides with similar means or common patches; pairs with identical features are not repeated.

    Args:
        scanned: The slides.
        roles: One row per fold and slide: fold, slide_id, role.
        similarity: Smallest cosine of the standardised means.
        shared_patches: Smallest share of common patches.
    """
    pairs = {pair: share for pair, share in _common_patches(scanned) if share >= shared_patches}
    for pair, cosine in _similar_means(scanned.means, similarity):
        pairs.setdefault(pair, cosine)
    kept = [(pair, value) for pair, value in sorted(pairs.items()) if len({scanned.digests[row] for row in pair}) > 1]
    return _finding("near_duplicates", "are near-duplicates", kept, scanned, roles, similarity)


def _similar_means(means: NDArray[np.float64], similarity: float) -> Iterable[tuple[tuple[int, int], float]]:
    """Pairs of rows whose means, standardised over the cohort, have at least this cosine."""
    spread = means.std(axis=0)
    centred = (means - means.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(lengths > 0, lengths, 1.0)
    for row in range(len(unit) - 1):
        cosines = unit[row + 1 :] @ unit[row]
        for other in np.flatnonzero(cosines >= similarity):
            yield (row, int(row + 1 + other)), float(cosines[other])


def _common_patches(scanned: ScannedSlides) -> Iterable[tuple[tuple[int, int], float]]:
    """Pairs of slides with common patches and the share of the patches of the smaller sketch that are common."""
    numbers = np.repeat(np.arange(len(scanned.slides)), [len(own) for own in scanned.sketches])
    hashes = np.concatenate(scanned.sketches)
    order = np.argsort(hashes, kind="stable")
    hashes, numbers = hashes[order], numbers[order]
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]])
    counts = defaultdict[tuple[int, int], int](int)
    for rows in np.split(numbers, starts[1:]):
        if len(rows) > 1 and len({scanned.patients[row] for row in rows}) <= COMMON:
            for pair in combinations(sorted(rows.tolist()), 2):
                counts[pair] += 1
    for pair, count in counts.items():
        if count >= FEWEST_SHARED:
            yield pair, count / _comparable(*(scanned.sketches[row] for row in pair))


def _comparable(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> int:
    """Hashes of the smaller sketch in the range that both cover."""
    ends = [own[-1] for own in (first, second) if len(own) == SKETCH]
    return min(int((own <= min(ends)).sum()) if ends else len(own) for own in (first, second))


def _finding(
    check: str,
    words: str,
    pairs: Sequence[tuple[tuple[int, int], float]],
    scanned: ScannedSlides,
    roles: pd.DataFrame,
    limit: float | None,
) -> Finding:
    """A leak where a pair belongs to different patients and has different roles in a fold."""
    role_of = roles.set_index(["slide_id", "fold"])["role"].to_dict()
    folds = sorted(set(roles["fold"]), key=str)
    items: list[dict[str, Any]] = []
    for pair, value in pairs:
        names = [scanned.slides[row] for row in pair]
        patients = [scanned.patients[row] for row in pair]
        own = {str(fold): [role_of.get((name, fold)) for name in names] for fold in folds}
        apart = {fold: both for fold, both in own.items() if None not in both and both[0] != both[1]}
        items.append({"slides": names, "patients": patients, "similarity": round(value, 6), "folds": apart})
    leaks = [item for item in items if item["folds"]]
    same = sum(len(set(item["patients"])) == 1 for item in items)
    text = f"{len(items)} pairs of {len(scanned.slides)} slides {words}"
    if items:
        text += f": {len(leaks)} of them have different roles in a fold, {same} belong to one patient"
    return Finding(check, verdict(bool(leaks)), text, float(len(leaks)), limit, items)
