"""Tables fit the terminal, and no number is ever broken."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.cli.table import paragraph, table

HEAD = ("run", "experiment", "started", "value")
ROWS = [
    ["1", "a_long_name_of_an_experiment_that_nobody_would_type", "2026-01-02 03:04", "0.9123"],
    ["20", "lung adenocarcinoma against squamous cell carcinoma", "2026-01-02 03:04", "0.5"],
]


def test_a_wide_terminal_changes_nothing() -> None:
    lines = table(HEAD, ROWS, text=("experiment",), width=0).splitlines()
    assert lines[0].split() == list(HEAD)
    assert set(lines[1]) == {"-", " "}
    assert len(lines) == 4
    assert "  ".join(ROWS[0]) in " ".join(lines[2].split("  ")) or ROWS[0][1] in lines[2]


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_a_narrow_one_wraps_words(width: int) -> None:
    text = table(HEAD, ROWS, text=("experiment",), width=width)
    assert max(map(len, text.splitlines())) <= width
    for number in ("0.9123", "0.5", "2026-01-02 03:04"):
        assert number in text
    assert ["lung", "adenocarcinoma"][0] in text


def test_columns_without_anything_are_left_out() -> None:
    assert "step" not in table(("run", "step"), [["1", ""], ["2", ""]])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.integers(20, 100))
def test_a_paragraph_keeps_its_numbers(values: list[float], width: int) -> None:
    words = [f"name_{i}={value:.4g}" for i, value in enumerate(values)]
    text = paragraph("  ".join(words), width=width)
    assert re.findall(r"\S+", text) == words
    assert max(map(len, text.splitlines())) <= max(width, max(map(len, words)))
