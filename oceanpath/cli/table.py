"""Tables and paragraphs that fit the width of the terminal, without line breaks in numbers.

Plain text: a run without work prints a table, and importing rich would take a tenth of its time.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest

GAP = "  "
MAX_RULE = 60
"""Dashes under the name of a column."""
MIN_WIDTH = 16
"""Minimum width of a column of text, unless its longest word is shorter."""


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, text: Sequence[str] = (), width: int | None = None
) -> str:
    """Rows below a header and a rule; empty columns are omitted.

    Args:
        head: Name of each column.
        rows: Cells.
        text: Names of the columns that may be wrapped; all others keep their width.
        width: Characters per line; None: the width of the terminal, or no limit if stdout is not a terminal.
    """
    kept = [k for k in range(len(head)) if any(row[k] for row in rows)]
    lines = [[head[k] for k in kept], *([row[k] for k in kept] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(kept))]
    least = {k: _longest_word(lines, k) for k, column in enumerate(kept) if head[column] in text}
    _shrink(widths, least, terminal_width() if width is None else width)
    rule = GAP.join(("-" * min(size, MAX_RULE)).ljust(size) for size in widths).rstrip()
    shown = [line for cells in lines for line in _wrapped_row(cells, widths)]
    heads = len(_wrapped_row(lines[0], widths))
    return "\n".join([*shown[:heads], rule, *shown[heads:]])


def paragraph(text: str, indent: str = "", width: int | None = None) -> str:
    """Text wrapped between words to the width of the terminal."""
    size = (terminal_width() if width is None else width) or 10**9
    wrapper = textwrap.TextWrapper(size, indent, indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def terminal_width() -> int:
    """Characters per line of the terminal; 0 (no limit) if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _shrink(widths: list[int], least: Mapping[int, int], limit: int) -> None:
    """Reduce the widest column of text, character by character, until lines fit or all have their minimum width.

    Args:
        widths: Characters of each column.
        least: Column of text → its minimum width.
        limit: Characters per line; 0: no limit.
    """
    while limit and sum(widths) + len(GAP) * (len(widths) - 1) > limit:
        reducible = [k for k in least if widths[k] > least[k]]
        if not reducible:
            return
        widths[max(reducible, key=lambda k: widths[k])] -= 1


def _longest_word(lines: Sequence[Sequence[str]], column: int) -> int:
    return min(MIN_WIDTH, max((len(word) for line in lines for word in line[column].split()), default=0))


def _wrapped_row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """A row as lines of equal width."""
    sized = zip(cells, widths, strict=True)
    wrapped = [textwrap.wrap(cell, size, break_on_hyphens=False) or [""] for cell, size in sized]
    lines = zip_longest(*wrapped, fillvalue="")
    return [GAP.join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip() for line in lines]
