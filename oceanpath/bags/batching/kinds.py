"""Which views a method of pretraining gets from a batching strategy."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.bags.batching.base import Batching
from oceanpath.errors import ExperimentError

VIEWS = {
    "independent": "independent views of the whole bag",
    "multi_crop": "global and local crops",
    "blocks": "context and target blocks",
}
"""Kinds of views."""
WHERE = "[pretrain.batching]"


def kind_of_views(method: str, kinds: Sequence[str], batching: Batching, has_coords: bool = True) -> str:
    """The kind of views that a method is trained on: the first of its `kinds` that the strategy can batch.

    Raises: ExperimentError: there is none, or the strategy needs coordinates and the store has none.
    """
    if batching.needs_coords and not has_coords:
        fault = f"{batching.name} needs the coordinates of patches, which the store does not have"
        raise ExperimentError(fault, where=WHERE, do="Use subsample_fixed_n.")
    for kind in kinds:
        if kind in batching.kinds:
            return kind
    wanted, made = (" or ".join(VIEWS[kind] for kind in some) for some in (kinds, batching.kinds))
    raise ExperimentError(f"{method} trains on {wanted}; {batching.name} makes {made}", where=WHERE)
