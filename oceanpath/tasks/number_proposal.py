"""Proposes regression targets: columns of many different numbers."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.artifacts.cohort.checks import FOR_MISSING
from oceanpath.artifacts.cohort.table import ALIASES
from oceanpath.tasks.numbers import is_number
from oceanpath.tasks.proposals import UNLIKELY, Columns, TargetProposal, words_of

NAME = "regression"
LIKELY_WORDS = frozenset({"score", "expression", "purity", "fraction", "percentage", "ratio", "index", "signature"})
MANY = 20
"""Columns with more different numbers are measurements rather than classes."""


def propose_numbers(columns: Columns, wanted: str = "") -> list[TargetProposal]:
    """A proposal for each column of numbers."""
    proposals = (_propose(name, cells, wanted) for name, cells in columns.items())
    return [proposal for proposal in proposals if proposal is not None]


def _propose(name: str, cells: Sequence[str], wanted: str) -> TargetProposal | None:
    filled = [cell for cell in cells if cell and cell.casefold() not in FOR_MISSING]
    if not filled or not all(map(is_number, filled)):
        return None
    values = sorted(map(float, filled))
    many = len(set(values)) > MANY
    if not many and name != wanted:
        return None
    return TargetProposal(
        task=NAME,
        columns=(name,),
        keys={"label": name},
        summary=f"numbers from {values[0]:g} to {values[-1]:g}, median {values[len(values) // 2]:g}",
        groups=["number" if is_number(cell) else "" for cell in cells],
        rank=_rank(name) if many else UNLIKELY + 1,
    )


def _rank(name: str) -> int:
    words = words_of(name)
    if "_".join(words) in {"label", *ALIASES["label"]}:
        return 0
    return 2 if LIKELY_WORDS.intersection(words) else UNLIKELY
