"""The text of a JSON file depends on its values only."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from oceanpath.artifacts.json_files import write_json


def test_the_text_is_sorted_indented_and_ascii(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 0.1], "a": "ü"})
    write_json(tmp_path / "b.json", {"a": "ü", "b": [1, 0.1]})
    text = '{\n  "a": "\\u00fc",\n  "b": [\n    1,\n    0.1\n  ]\n}\n'
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes() == text.encode()


def test_a_number_that_is_not_finite_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": math.nan})
    assert not (tmp_path / "a.json").exists()
