"""Proposes classification targets: columns with few different values, and the order of their classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from oceanpath.artifacts.cohort.checks import FOR_MISSING
from oceanpath.artifacts.cohort.table import ALIASES
from oceanpath.errors import shorten_list
from oceanpath.tasks.proposals import UNLIKELY, Columns, TargetProposal, words_of
from oceanpath.tasks.registry import CLASSIFICATION

LIKELY_WORDS = frozenset({"label", "subtype", "status", "grade", "type", "histology", "mutation", *ALIASES["label"]})
UNLIKELY_WORDS = frozenset(
    {"train", "test", "val", "split", "fold", "set", "sex", "gender", "female", "male", "age", "race", "batch"}
    | {"censored", "censorship", "event", "vital", "scanner", "site", "hospital", "center", "centre", "id", "index"}
)
"""Words of columns that describe patients, sites or folds rather than the label to predict."""
NUMBERS, STAGES, LEVELS = "in the order of their numbers", "in the order of the stages", "from low to high"
ORDERS = (NUMBERS, STAGES, LEVELS)
"""Reasons for an order that is more than alphabetical."""
ALPHABETICAL = "alphabetical"
ORDINAL = "ordinal"
BINARY = 2
MAX_CLASSES = 20
SHOWN = 8
NEGATIVE = frozenset(
    {"0", "negative", "neg", "normal", "benign", "no", "none", "false", "absent", "control", "healthy", "low", "stable"}
    | {"wt", "wildtype", "nr", "mss", "mssta", "nonresponder", "alive", "nonmutated", "unmutated", "normaltissue"}
)
"""Names, without separators, of the class that is not the one to detect."""
ROMAN = re.compile(r"(?:stage\s*)?(0|iv|v|i{1,3})\s*([a-d]?\d?)", re.IGNORECASE)
VALUES = ("0", "i", "ii", "iii", "iv", "v")
SCALE = ("very low", "low", "intermediate", "moderate", "medium", "high", "very high")


def propose_classes(columns: Columns, wanted: str = "") -> list[TargetProposal]:
    """A proposal for each column that could be a label of classes."""
    proposals = (_propose(name, cells, wanted) for name, cells in columns.items())
    return [proposal for proposal in proposals if proposal is not None]


def propose_ordered(columns: Columns, wanted: str = "") -> list[TargetProposal]:
    """The same for an ordinal task: three or more classes with a known order. It is used if the user names the task."""
    proposals = [each for each in propose_classes(columns, wanted) if each.comments["classes"] in ORDERS]
    ordered = [each for each in proposals if len(each.keys["classes"]) > BINARY]
    return [replace(each, task=ORDINAL, rank=UNLIKELY + 1) for each in ordered]


def _propose(name: str, cells: Sequence[str], wanted: str) -> TargetProposal | None:
    groups = ["" if cell.casefold() in FOR_MISSING else cell for cell in cells]
    counts = Counter(group for group in groups if group)
    limit = len(counts) if name == wanted else min(MAX_CLASSES, sum(counts.values()) // 4)
    if not 2 <= len(counts) <= limit:
        return None
    classes, reason = order_classes(counts)
    listed = shorten_list([f"{each} {counts[each]}" for each in classes], SHOWN)
    return TargetProposal(
        task=CLASSIFICATION,
        columns=(name,),
        keys={"label": name, "classes": classes},
        summary=f"{len(classes)} classes: {listed}",
        groups=groups,
        rank=_rank(name),
        comments={"classes": reason},
        **_question(classes, reason),
    )


def _question(classes: list[str], reason: str) -> dict[str, Any]:
    """Which of two classes is positive, if their names do not show it."""
    if len(classes) != BINARY or not reason.startswith(ALPHABETICAL):
        return {}
    answers = {name: {"classes": [other, name]} for other, name in (classes, classes[::-1])}
    return {"question": "which class is the positive one", "answers": answers}


def _rank(name: str) -> int:
    """0 for a usual name of a label, 1 for a name that contains one, `UNLIKELY` for other known columns."""
    words = words_of(name)
    if UNLIKELY_WORDS.intersection(words) or not words:
        return UNLIKELY
    if "_".join(words) in LIKELY_WORDS:
        return 0
    return 1 if LIKELY_WORDS.intersection(words) else 2


def order_classes(names: Collection[str]) -> tuple[list[str], str]:
    """The classes in their most likely order, and the reason for it."""
    numbers = [re.fullmatch(r"[A-Za-z]{0,6}\s*([+-]?\d+(?:\.\d+)?)[+]?", name) for name in names]
    negative = [name for name in names if re.sub(r"[^a-z0-9]", "", name.lower()) in NEGATIVE]
    ranks = [_roman(name) for name in names]
    if len(names) == BINARY and len(negative) == 1:
        return sorted(names, key=lambda name: name not in negative), "the second class is the positive one"
    if all(numbers):
        values = {name: float(number[1]) for name, number in zip(names, numbers, strict=True) if number}
        return sorted(names, key=lambda name: (values[name], name)), NUMBERS
    if all(ranks):
        return sorted(names, key=lambda name: _roman(name) or ()), STAGES
    if all(name.lower() in SCALE for name in names):
        return sorted(names, key=lambda name: SCALE.index(name.lower())), LEVELS
    order = sorted(names, key=lambda name: (name.casefold(), name))
    return order, ALPHABETICAL + (
        "; the second class is the positive one: exchange them if not" * (len(order) == BINARY)
    )


def _roman(name: str) -> tuple[int, str] | None:
    """The position of a stage such as ``IIIa``; None if the name is not one."""
    matched = ROMAN.fullmatch(name.strip())
    return (VALUES.index(matched[1].lower()), matched[2].lower()) if matched else None
