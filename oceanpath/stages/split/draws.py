"""Stratified draws of patients: every stratum in its share, and its cells as far as numbers allow."""

from __future__ import annotations

import numpy as np

from oceanpath.stages.split.patients import Groups


def deal(groups: Groups, folds: int, random: np.random.Generator) -> list[frozenset[str]]:
    """All patients in `folds` sets; each stratum, and each cell, differs by one patient at most between sets.

    The turn continues from cell to cell and from stratum to stratum, so that the sets stay equally large.
    """
    sets: list[set[str]] = [set() for _ in range(folds)]
    turn = 0
    for cell in [cell for cells in groups.values() for cell in cells]:
        for i in random.permutation(len(cell)):
            sets[turn % folds].add(cell[i])
            turn += 1
    return [frozenset(names) for names in sets]


def draw_fraction(groups: Groups, fraction: float, random: np.random.Generator) -> frozenset[str]:
    """A fraction of the patients of each stratum, at least one and never all."""
    return draw_counts(groups, {name: share(sum(map(len, cells)), fraction) for name, cells in groups.items()}, random)


def draw_counts(groups: Groups, counts: dict[str, int], random: np.random.Generator) -> frozenset[str]:
    """So many patients of each stratum, or all where it has fewer; its cells in proportion."""
    drawn: list[str] = []
    for name, cells in groups.items():
        for cell, count in zip(cells, apportion([len(cell) for cell in cells], counts[name]), strict=True):
            order = random.permutation(len(cell))
            drawn += [cell[i] for i in order[:count]]
    return frozenset(drawn)


def share(count: int, fraction: float) -> int:
    """A fraction of `count` patients, at least one and never all."""
    return min(max(1, round(count * fraction)), max(1, count - 1))


def apportion(sizes: list[int], total: int) -> list[int]:
    """`total` shared between cells in proportion to their sizes, by largest remainders, at most the size of each."""
    total, whole = min(total, sum(sizes)), max(1, sum(sizes))
    counts = [size * total // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda k: (-(sizes[k] * total % whole), k))
    for k in by_remainder[: total - sum(counts)]:
        counts[k] += 1
    return counts
