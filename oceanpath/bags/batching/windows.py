"""Windows of consecutive batches that share one loss, such as the partial likelihood of survival times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from oceanpath.bags.batching.base import Draw


@dataclass(frozen=True)
class Window:
    """The bags that one loss needs."""

    size: int
    """Minimum number of bags."""
    required: Sequence[bool]
    """Whether each position is of the kind of which every window needs one, such as a slide with an event."""

    def ends(self, batches: Sequence[Sequence[Draw]]) -> list[int]:
        """The number of the last batch of each window; the remaining batches of an epoch belong to its last window."""
        ends, bags = list[int](), 0
        for number, batch in enumerate(batches):
            bags += len(batch)
            if bags >= self.size:
                ends.append(number)
                bags = 0
        return [*ends[:-1], len(batches) - 1]

    def spread(self, batches: list[list[Draw]]) -> list[list[Draw]]:
        """The same draws, exchanged so that every window contains a required one.

        Raises: ValueError: there are fewer required draws than windows.
        """
        batches = [list(batch) for batch in batches]
        edges = [-1, *self.ends(batches)]
        windows = [
            [(b, k) for b in range(low + 1, high + 1) for k in range(len(batches[b]))] for low, high in pairwise(edges)
        ]
        needed = [[at for at in window if self.required[batches[at[0]][at[1]].position]] for window in windows]
        if sum(map(len, needed)) < len(windows):
            raise ValueError(f"{sum(map(len, needed))} required bags for {len(windows)} windows")
        surplus = [at for own in needed for at in own[1:]]
        for window, own in zip(windows, needed, strict=True):
            if not own:
                (b, k), (c, j) = window[0], surplus.pop(0)
                batches[b][k], batches[c][j] = batches[c][j], batches[b][k]
        return batches
