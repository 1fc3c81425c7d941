"""Batches of a fixed number of bags."""

from __future__ import annotations

from typing import Literal

from oceanpath.bags.batching.base import Batching


class Fixed(Batching):
    """`batch_size` bags per batch in random order."""

    name: Literal["fixed"] = "fixed"
    """Batching strategy."""
