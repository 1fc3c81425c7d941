"""The interface of batching strategies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from oceanpath.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class Draw(NamedTuple):
    """One bag of a batch: a position in the dataset, and what determines its rows if the bag is capped."""

    position: int
    epoch: int
    view: int = 0
    """Number of the view of this bag within the epoch; each view of a capped bag samples its own rows."""


@dataclass(frozen=True)
class Epoch:
    """The input of a strategy."""

    draws: list[Draw]
    """Every bag once in random order or, with balanced sampling, the same number of draws at equal rates per class."""
    lengths: list[int]
    """Number of patches of each draw, all ≥ 1."""
    batch_size: int
    """`train.batch_size`."""
    random: Generator
    """Seeded by (seed, epoch); it has already drawn the order of `draws`."""


class Batching(Settings):
    """A strategy and its settings, which are the keys of `[train.batching]` or `[pretrain.batching]`."""

    name: str

    kinds: ClassVar[tuple[str, ...]] = ("crops", "blocks")
    """Kinds of views of pretraining that it can batch, see `kinds`."""
    needs_coords: ClassVar[bool] = False
    """Whether it needs the coordinates of patches."""

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        """The batches of an epoch, none empty; here `batch_size` bags per batch, in the order of the draws.

        A strategy may leave out bags, repeat them (as other views), and make epochs of different numbers of batches.
        """
        return chunks(epoch.draws, epoch.batch_size)

    def limit(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:  # noqa: ARG002  # what a limit depends on
        """The part of the selected `rows` of a bag that a view of pretraining contains; by default all."""
        return rows

    def most_rows(self, length: int) -> int:
        """Maximum number of rows of a view of a bag of `length` patches."""
        return length

    def padded_length(self, lengths: Sequence[int], longest: int) -> int | None:  # noqa: ARG002  # what padding depends on
        """Rows to which views of these lengths are padded; None: not at all. No view has more than `longest` rows."""
        return None


def chunks(draws: list[Draw], size: int) -> list[list[Draw]]:
    """Consecutive batches of `size` draws; the last one may be smaller."""
    return [draws[start : start + size] for start in range(0, len(draws), size)]
