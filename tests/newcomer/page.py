"""The commands of docs/first-report.md and the output that the page shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..conftest import ROOT

PAGE = ROOT / "docs" / "first-report.md"
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.\d+(?:e-\d+)?")
TOLERANCE = 0.02
"""Allowed difference of a printed decimal number between machines."""


class Example(NamedTuple):
    """A command and the lines that the page shows below it; "..." stands for any number of lines."""

    command: str
    lines: Sequence[str]


def examples() -> list[Example]:
    """The examples in the console blocks of the page, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    listed = [part.splitlines() for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [Example(command, lines) for command, *lines in listed]


def first_difference(shown: Sequence[str], printed: Sequence[str]) -> str:
    """The first shown line that was not printed at its position; "" if there is none.

    Decimal numbers may differ by `TOLERANCE`.
    """
    position, is_skipping = 0, False
    for line in shown:
        if line == "...":
            is_skipping = True
            continue
        last = len(printed) if is_skipping else position + 1
        matching = [k for k in range(position, min(last, len(printed))) if agree(line, printed[k])]
        if not matching:
            return f"{line!r}; printed: {list(printed[position : position + 3])}"
        position, is_skipping = matching[0] + 1, False
    return "" if is_skipping or position == len(printed) else f"nothing; printed: {list(printed[position:])}"


def agree(line: str, other: str) -> bool:
    """Whether two lines have the same text and similar decimal numbers."""
    if NUMBER.sub("#", line).split() != NUMBER.sub("#", other).split():
        return False
    numbers = zip(NUMBER.findall(line), NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= TOLERANCE for a, b in numbers)
