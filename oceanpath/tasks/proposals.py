"""Targets that the columns of a label table offer: each task proposes its own, the most likely one first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oceanpath.tasks.registry import proposal_function, task_names

Columns = Mapping[str, Sequence[str]]
"""Name of a column → its cells."""
UNLIKELY = 3
"""The rank from which a target is only used if the user names it."""


@dataclass(frozen=True)
class TargetProposal:
    """One target: the keys of `[data]` that select it, and what a person needs to judge it."""

    task: str
    columns: tuple[str, ...]
    """The columns that it reads; the first is the one by which a user names it."""
    keys: Mapping[str, Any]
    """Keys of `[data]`, in the order in which they are written."""
    summary: str
    """The contents in a few words, such as the number of slides per class."""
    groups: Sequence[str]
    """Stratum of each row; "" for rows that cannot be used."""
    rank: int = 0
    """0 for the most likely target; see `UNLIKELY`."""
    comments: Mapping[str, str] = field(default_factory=dict)
    """Key → comment for the experiment file."""
    question: str = ""
    """What only a person knows, such as the positive class."""
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Answer → the keys of `[data]` that it replaces; the first answer is the proposal."""

    @property
    def unusable(self) -> int:
        """Number of rows without a usable target."""
        return sum(not group for group in self.groups)

    def counts(self) -> dict[str, int]:
        """Rows per stratum, the most frequent first."""
        return dict(Counter(group for group in self.groups if group).most_common())


def propose_targets(columns: Columns, task: str = "", wanted: str = "") -> list[TargetProposal]:
    """All targets of the columns, the most likely first.

    Args:
        columns: The columns that may be targets.
        task: Only targets of this task; default: of every registered task.
        wanted: A column that the user named, which is proposed even where its content is unusual.
    """
    functions = filter(None, map(proposal_function, [task] if task else task_names()))
    proposals = [each for function in functions for each in function(columns, wanted)]
    named = [each for each in proposals if not wanted or wanted in each.columns]
    return sorted(named, key=lambda each: each.rank)


def words_of(name: str) -> list[str]:
    """The words of a column name: ``ER_StatusByIHC`` is er, status, by, ihc."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
