"""Numbers that must stay the same: computed from fixed rows, and compared with files in this folder.

A change of one of them changes published results, so the version of each stage that uses it must be raised. The files
are written again by ``python -m tests.reference``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).parent


def plain(value: Any) -> Any:
    """Arrays, tuples and records as lists and dictionaries of numbers and texts; NaN as a text."""
    if hasattr(value, "_asdict") or hasattr(value, "__dataclass_fields__"):
        value = value._asdict() if hasattr(value, "_asdict") else vars(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else str(float(value))
    return int(value) if isinstance(value, np.integer) else bool(value) if isinstance(value, np.bool_) else value


def write(name: str, numbers: dict[str, Any]) -> None:
    """Write the file of a group of numbers."""
    (FOLDER / f"{name}.json").write_text(json.dumps(plain(numbers), indent=1) + "\n", encoding="utf-8")


def check(name: str, numbers: dict[str, Any], near: float = 1e-7) -> None:
    """Compare a group of numbers with its file: integers and texts exactly, others relative to those above 1."""
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = plain(numbers)
    assert list(found) == list(expected)
    for key, value in expected.items():
        _compare(found[key], value, key, near)


def _compare(found: Any, expected: Any, where: str, near: float) -> None:
    if isinstance(expected, dict):
        assert isinstance(found, dict) and list(found) == list(expected), where
        for key, value in expected.items():
            _compare(found[key], value, f"{where}.{key}", near)
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(found) == len(expected), where
        for number, value in enumerate(expected):
            _compare(found[number], value, f"{where}[{number}]", near)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=near, abs=near), where
    else:
        assert found == expected, where
