"""`oceanpath bench stats`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app


def test_the_command_writes_a_table_json_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--slides", "40,60", "--resamples", "100", "--rounds", "1", "--out", str(tmp_path)]
    assert run_app(["bench", "stats", *few]) == 0
    assert "| 60 slides, 100 resamples | all metrics with intervals |" in capsys.readouterr().out
    rows = json.loads((tmp_path / "stats.json").read_text())["rows"]
    assert len(rows) == 8 and all(row["cpu_ms"] > 0 for row in rows)
    assert (tmp_path / "stats.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("slides", ["10", "a", "", "500;5000"])
def test_wrong_numbers_are_refused(slides: str) -> None:
    assert run_app(["bench", "stats", "--slides", slides]) == 2
