"""Numbers in the cells of a label table."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def is_number(text: str) -> bool:
    """Whether a text is one finite number with a decimal point, if it has decimals."""
    return NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def rows_of_text(cells: Sequence[str]) -> list[int]:
    """Rows with a cell that is neither empty nor a number."""
    return [row for row, cell in enumerate(cells) if cell and not is_number(cell)]


def advice(texts: Sequence[str]) -> str:
    """How to correct cells that are not numbers."""
    if any(DECIMAL_COMMA.fullmatch(text) for text in texts):
        return "Use a decimal point."
    return "Leave the cell empty if the value is unknown."
