"""`oceanpath bench models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.cli.app import run_app


def test_the_command_writes_a_table_json_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--dim", "16", "--bags", "4", "--median", "40", "--sizes", "50,20", "--rounds", "1"]
    assert run_app(["bench", "models", "static", "dsmil", *few, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "static" in out and "20 patches" in out
    result = json.loads((tmp_path / "models.json").read_text())
    assert [row["name"] for row in result["models"]] == ["static", "dsmil"]
    assert set(result["models"][0]["step"]) == {"padded", "packed", "packed_bf16", "checkpoint"}
    assert [size["patches"] for size in result["models"][1]["growth"]] == [20, 50]
    assert (tmp_path / "models.png").read_bytes().startswith(b"\x89PNG")
    for row in result["models"]:
        for variant in ("packed", "checkpoint"):
            assert row["step"][variant]["difference"] < 1e-5
            assert 0 < row["step"][variant]["of_gemm_limit"] < 1.2


@pytest.mark.parametrize("flags", [["abmill"], ["--sizes", "1,x"], ["--sizes", "0"], ["--device", "tpu"]])
def test_wrong_arguments_are_refused_before_any_measurement(flags: list[str]) -> None:
    assert run_app(["bench", "models", *flags]) == 2
