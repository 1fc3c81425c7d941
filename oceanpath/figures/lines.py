"""Width and wrapping of lines of text."""

from __future__ import annotations

import re
import unicodedata

LETTER, WIDE_LETTER = 0.6, 1.05
"""Width of a character in units of the font size; the second one for East Asian characters."""


def wrap(text: str, width: float) -> list[str]:
    """Lines of `text` of at most `width`, in units of the font size, wrapped after blanks and within names."""
    lines = []
    for line in text.splitlines():
        lines.append("")
        for part in re.findall(r"[^\s\-_./]*[\s\-_./]?", line):
            for piece in (part,) if width_of(part) <= width else part:
                if width_of(lines[-1] + piece.rstrip()) > width:
                    lines.append("")
                lines[-1] += piece
    return [line.rstrip() for line in lines]


def width_of(text: str) -> float:
    """Approximate width of a line in units of the font size."""
    return sum(WIDE_LETTER if unicodedata.east_asian_width(letter) in "WF" else LETTER for letter in text)
