"""Names of classes in a label column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from oceanpath.artifacts.cohort.lookalikes import quoted, resembling
from oceanpath.errors import ExperimentError, OceanPathError, nearest, shorten_list


def as_class(label: str, classes: Sequence[str]) -> str:
    """The class that a label names: itself, or the class that is the same number (``1.0`` is ``1``)."""
    if not label or label in classes:
        return label
    same = [name for name in classes if (number := _number(name)) is not None and number == _number(label)]
    return same[0] if len(same) == 1 else label


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else None


def class_problems(
    labels: Sequence[str], classes: Sequence[str], where: str, *, needs_every_class: bool = True
) -> list[OceanPathError]:
    """Classes that are not set or have no slide, and labels that resemble a class."""
    counts = Counter(label for label in labels if label)
    listed = shorten_list([f"{name} ({count})" for name, count in sorted(counts.items())], 12)
    if not classes:
        do = f"Set data.classes, in order, for example classes = [{', '.join(repr(n) for n in sorted(counts)[:6])}]."
        return [ExperimentError("the classes and their order are not set", where="[data] classes", do=do)]
    problems = list[OceanPathError]()
    others = sorted(counts.keys() - set(classes))
    meant = {name: close for name in others if (close := resembling(name, classes))}
    absent = [name for name in classes if name not in counts]
    if absent and (needs_every_class or others):
        offers = {name: resembling(name, others) or nearest(name, others) for name in absent}
        do = " ".join(f"Did you mean '{names[0]}' for '{name}'?" for name, names in offers.items() if names)
        problems.append(
            ExperimentError("a class has no slide", where=where, expected=", ".join(absent), got=listed, do=do)
        )
    if typed := {name: close for name, close in meant.items() if close[0] in counts}:
        got = shorten_list(
            [f"{quoted(name)} ({counts[name]}) resembles {quoted(close[0])}" for name, close in typed.items()]
        )
        problems.append(ExperimentError("labels resemble a class but are not one", where=where, got=got))
    return problems
