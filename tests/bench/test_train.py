"""Both ways train the same folds."""

from __future__ import annotations

from pathlib import Path

import torch

from oceanpath.bench.train import PLAIN, STAGE, CohortSize, bench_train, load_rows, train_plainly, train_table
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.train.settings import TrainSettings


def test_the_table_has_both_ways(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=1, batch_size=4, model={"name": "abmil", "hidden": 8, "attention": 4})
    costs = bench_train(tmp_path, CohortSize(slides=20, median=5, dim=8, folds=2), settings)
    assert [cost.way for cost in costs] == [PLAIN, STAGE]
    assert all(cost.cpu_seconds > 0 and cost.cpu_ms > 0 for cost in costs)
    assert costs[0].times_plain == 1.0
    assert train_table(costs).count("\n") == 3
    rows = load_rows(Inputs({"mmap": tmp_path / "store", "split": tmp_path / "split"}), 0)
    assert {role: len(features) for role, (features, _) in rows.items()} == {"train": 8, "val": 2, "test": 10}
    logits = train_plainly(settings, rows, 8)
    assert [len(part) for part in logits] == [8, 2, 10]
    assert all(torch.isfinite(part).all() for part in logits)
