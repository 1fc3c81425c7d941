"""JSON files that OceanPath publishes: the same bytes for the same values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented ASCII text, keys sorted. Raises: ValueError: a number is not finite; writes nothing."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n")
