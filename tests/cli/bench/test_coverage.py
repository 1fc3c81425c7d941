"""`oceanpath bench coverage`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app


def test_the_command_prints_and_writes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--patients", "20", "--cohorts", "10", "--out", str(tmp_path)]
    assert run_app(["bench", "coverage", "--methods", "logit_delong,wilson", *few]) == 0
    assert "| 20 | 6 | 0.9 | 1-5 | 0.4 | logit_delong |" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "coverage.json").read_text())["rows"]) == 48 + 16
    assert (tmp_path / "coverage.md").read_text().startswith("| patients |")


@pytest.mark.parametrize(
    "flags", [["--methods", "wald"], ["--shape", "cauchy"], ["--patients", "21"], ["--cohorts", "1"]]
)
def test_wrong_arguments_are_refused(flags: list[str]) -> None:
    assert run_app(["bench", "coverage", *flags]) == 2
