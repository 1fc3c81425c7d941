from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from oceanpath.bench.models.device import peak_bytes, ratio
from oceanpath.bench.models.ways import log_normal_batch
from oceanpath.cli.app import run_app

CPU = torch.device("cpu")


def test_a_ratio_is_taken_within_rounds() -> None:
    assert ratio([1.0, 10.0, 3.0], [0.5, 5.0, 1.0]) == 2.0


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell")
def test_peak_memory_sees_what_is_gone_afterwards() -> None:
    def work() -> None:
        torch.ones(64 << 18)  # 64 MiB

    held = peak_bytes(work, CPU)
    assert held is not None
    assert 60 << 20 <= held <= 100 << 20


def test_the_batch_has_the_usual_padding() -> None:
    batch = log_normal_batch(16, 300, 2)
    assert len(batch) == 16
    assert 2.5 < 16 * int(batch.lengths.max()) / len(batch.features) < 3.8


def test_the_verb_writes_a_table_json_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--dim", "16", "--bags", "4", "--median", "40", "--sizes", "50,20", "--rounds", "1"]
    assert run_app(["bench", "models", "static", "dsmil", *few, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "static" in said
    assert "20 patches" in said
    found = json.loads((tmp_path / "models.json").read_text())
    assert [row["name"] for row in found["models"]] == ["static", "dsmil"]
    assert set(found["models"][0]["step"]) == {"padded", "packed", "packed_bf16", "checkpoint"}
    assert [one["patches"] for one in found["models"][1]["growth"]] == [20, 50]
    assert (tmp_path / "models.png").read_bytes().startswith(b"\x89PNG")
    for row in found["models"]:
        for way in ("packed", "checkpoint"):
            assert row["step"][way]["difference"] < 1e-5
            assert 0 < row["step"][way]["of_gemm_limit"] < 1.2


@pytest.mark.parametrize("flags", [["abmill"], ["--sizes", "1,x"], ["--sizes", "0"], ["--device", "tpu"]])
def test_a_wrong_question_is_answered_before_anything_is_measured(flags: list[str]) -> None:
    assert run_app(["bench", "models", *flags]) == 2
