"""Whether the views of a method of pretraining can be batched by a strategy.

crops    views of the whole bag, and small ones where the method wants them
blocks   a context and target blocks
"""

from __future__ import annotations

from oceanpath.bags.batching.base import Batching

VIEWS = {"crops": "random views of the bag", "blocks": "a context and target blocks"}


def refusal(method: str, is_blocks: bool, batching: type[Batching] | Batching, has_coords: bool = True) -> str | None:
    """Why a method, whose views are blocks or not, cannot be trained with a strategy; None: it can."""
    kind = "blocks" if is_blocks else "crops"
    if kind not in batching.kinds:
        return f"{method} is trained on {VIEWS[kind]}, and {_name(batching)} makes {VIEWS[batching.kinds[0]]}"
    if batching.needs_coords and not has_coords:
        return f"{_name(batching)} needs the coordinates of patches, which the store does not have"
    return None


def _name(batching: type[Batching] | Batching) -> str:
    kind = batching if isinstance(batching, type) else type(batching)
    return str(kind.model_fields["name"].default)
