"""Batches with a minimum number of bags."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from oceanpath.bags.batching.base import Draw


def merge_small(batches: list[list[Draw]], lengths: Sequence[int], least: int) -> list[list[Draw]]:
    """The same draws in batches of at least `least`.

    Smaller batches are joined in their order; what remains of them is added to the batches with the fewest patches.
    `lengths` are the patches of each position. If there are fewer draws than `least`, they are one batch.
    """
    merged = [list(batch) for batch in batches if len(batch) >= least]
    joined: list[Draw] = []
    for batch in batches:
        if len(batch) < least:
            joined += batch
        if len(joined) >= least:
            merged.append(joined)
            joined = []
    if not merged:
        return [joined]
    heap = [(sum(lengths[draw.position] for draw in batch), k) for k, batch in enumerate(merged)]
    heapq.heapify(heap)
    for draw in joined:
        rows, fewest = heap[0]
        merged[fewest].append(draw)
        heapq.heapreplace(heap, (rows + lengths[draw.position], fewest))
    return merged
