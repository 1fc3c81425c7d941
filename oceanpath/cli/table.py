"""Text for a terminal: tables and paragraphs that fit its width, and in which no number is broken.

Plain text, because a run that has nothing to do prints one, and loading rich for it would take a tenth of its time.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest

GAP = "  "
LONGEST_RULE = 60
"""Dashes under the name of a column."""
NARROWEST = 16
"""Characters that a column of text keeps however narrow the terminal is, or those of its longest word."""


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, text: Sequence[str] = (), width: int | None = None
) -> str:
    """Rows under a header and a rule; columns that are empty in every row are left out.

    Args:
        head: name of each column.
        rows: cells.
        text: names of the columns whose words may be wrapped; all others keep their width.
        width: characters of a line; None = those of the terminal, without limit where stdout is none.
    """
    kept = [k for k in range(len(head)) if any(row[k] for row in rows)]
    lines = [[head[k] for k in kept], *([row[k] for k in kept] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(kept))]
    least = {k: _longest_word(lines, k) for k, column in enumerate(kept) if head[column] in text}
    _shrink(widths, least, terminal_width() if width is None else width)
    rule = GAP.join(("-" * min(size, LONGEST_RULE)).ljust(size) for size in widths).rstrip()
    shown = [line for cells in lines for line in _wrapped_row(cells, widths)]
    heads = len(_wrapped_row(lines[0], widths))
    return "\n".join([*shown[:heads], rule, *shown[heads:]])


def paragraph(text: str, indent: str = "", width: int | None = None) -> str:
    """Text in lines of the terminal's width, broken between words."""
    size = (terminal_width() if width is None else width) or 10**9
    wrapper = textwrap.TextWrapper(size, indent, indent, break_long_words=False, break_on_hyphens=False)
    return wrapper.fill(text)


def terminal_width() -> int:
    """Characters of a line of the terminal; 0 = no limit, where stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _shrink(widths: list[int], least: Mapping[int, int], limit: int) -> None:
    """Take from the widest column of text, character by character, until a line fits or no column can give more.

    Args:
        widths: characters of each column.
        least: column of text → characters that it keeps.
        limit: characters of a line; 0 = no limit.
    """
    while limit and sum(widths) + len(GAP) * (len(widths) - 1) > limit:
        giving = [k for k in least if widths[k] > least[k]]
        if not giving:
            return
        widths[max(giving, key=lambda k: widths[k])] -= 1


def _longest_word(lines: Sequence[Sequence[str]], column: int) -> int:
    return min(NARROWEST, max((len(word) for line in lines for word in line[column].split()), default=0))


def _wrapped_row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """A row as lines of equal columns."""
    sized = zip(cells, widths, strict=True)
    wrapped = [textwrap.wrap(cell, size, break_on_hyphens=False) or [""] for cell, size in sized]
    lines = zip_longest(*wrapped, fillvalue="")
    return [GAP.join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip() for line in lines]
