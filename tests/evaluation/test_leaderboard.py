"""Seeds are collapsed, and models share a rank within noise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tested_slides import plan_of_seeds
from oceanpath.cli.leaderboard import find_entries
from oceanpath.evaluation.leaderboard import Entry, leaderboard
from oceanpath.stats.discrimination import auroc
from oceanpath.tasks.classification import Classification

from ..narrowing import required

TASK, N = Classification(["neg", "pos"]), 80
LABEL = np.arange(N) // 2 % 2
OPTIONS = SimpleNamespace(resamples=200, confidence=0.95, seed=1)


def publish(folder: Path, skill: float, seed: int, prefix: str = "s", **facts: Any) -> Path:
    folder.mkdir(parents=True)
    score = 1 / (1 + np.exp(-skill * (LABEL - 0.5) - np.random.default_rng(seed).normal(size=N)))
    frame = pd.DataFrame({"slide_id": [f"{prefix}{i:02d}" for i in range(N)]})
    frame = frame.assign(patient_id=[f"p{i // 2}" for i in range(N)], label=np.where(LABEL, "pos", "neg"))
    frame = frame.assign(prob_neg=1 - score, prob_pos=score, fold=np.arange(N) // 2 % 2, role="test")
    predictions.write_predictions(frame, folder / "oof_predictions.parquet", TASK)
    per_fold = [{"fold": k, "best_epoch": 0, "epochs": 1, "val_loss": 0.5, "threshold": 0.5} for k in range(2)]
    results = {"classes": ["neg", "pos"], "folds": 2, "model": {"name": "static"}, "per_fold": per_fold}
    predictions.write_cv_results(results | {"scheme": "kfold", "selected": False, **facts}, folder)
    return folder


def test_seeds_are_collapsed_and_ranks_are_shared_within_noise(tmp_path: Path) -> None:
    entries = [
        Entry("good", (1,), "", publish(tmp_path / "a", 3.0, 1)),
        Entry("good", (2,), "", publish(tmp_path / "b", 3.0, 2)),
        Entry("same", (1,), "", publish(tmp_path / "c", 3.0, 3)),
        Entry("weak", (1,), "", publish(tmp_path / "d", 0.0, 4, selected=True)),
        Entry("elsewhere", (1,), "", publish(tmp_path / "e", 1.0, 5, prefix="t")),
        Entry("gone", (1,), "", tmp_path / "gone"),
    ]
    rows, problems = leaderboard(entries, OPTIONS)
    assert len(problems) == 1 and problems[0].startswith("gone, seed 1")
    by_model = {row["model"]: row for row in rows}
    good, weak = by_model["good"], by_model["weak"]
    areas = []
    for entry in entries[:2]:
        frame = predictions.read_oof(entry.folder, TASK)
        areas.append(required(auroc(TASK.targets(frame["label"].tolist()), TASK.values(frame)).value))
    assert good["seeds"] == [1, 2] and good["mean"] == pytest.approx(np.mean(areas))
    assert good["spread"] == pytest.approx(np.std(areas, ddof=1)) and weak["spread"] is None
    assert {good["rank"], by_model["same"]["rank"]} == {1} and weak["rank"] == 3
    assert weak["versus_best"]["high"] < 0 and weak["marks"] == ["selected"]
    assert by_model["elsewhere"]["rank"] == 1 and by_model["elsewhere"]["cohort"] != good["cohort"]
    assert good["n"] == N and good["n_patients"] == N // 2


def test_a_run_of_several_seeds_and_runs_of_single_seeds_are_collapsed_together(tmp_path: Path) -> None:
    plan = plan_of_seeds([{"repeat": 0, "ensemble": k, "name": ""} for k in range(2)], [1, 2])
    per_fold = [{"fold": k, "best_epoch": 0, "epochs": 1, "val_loss": 0.5, "threshold": 0.5} for k in range(4)]
    single = [publish(tmp_path / str(seed), 3.0, seed) for seed in (1, 2)]
    frames = [predictions.read_oof(folder, TASK) for folder in single]
    both = publish(tmp_path / "both", 3.0, 1, folds=4, plan=plan, per_fold=per_fold)
    frame = pd.concat([frames[0], frames[1].assign(fold=frames[1]["fold"] + 2)])
    predictions.write_predictions(frame, both / "oof_predictions.parquet", TASK)
    one_by_one = [Entry("mine", (seed,), "", folder) for seed, folder in zip((1, 2), single, strict=True)]
    weak = Entry("weak", (1,), "", publish(tmp_path / "weak", 0.0, 4))
    same = Entry("same", (1,), "", publish(tmp_path / "same", 3.0, 7))
    first = leaderboard([*one_by_one, weak, same], OPTIONS)[0]
    assert leaderboard([Entry("mine", (1, 2), "", both), weak, same], OPTIONS)[0] == first
    assert leaderboard([*one_by_one, Entry("mine", (1, 2), "", both), weak, same], OPTIONS)[0] == first
    versus = {row["model"]: row["versus_best"] for row in first}
    (second,) = (versus[name] for name in ("mine", "same") if versus[name] is not None)
    assert second["is_within_seed_noise"] in (True, False), "one of the two models has two seeds"


def test_runs_that_differ_only_in_the_seed_are_one_model(tmp_path: Path) -> None:
    def run(number: int, seed: int, lr: float, fingerprint: str, state: str = "ok") -> dict[str, Any]:
        (tmp_path / "runs" / "train" / fingerprint).mkdir(parents=True, exist_ok=True)
        step = {"name": "train", "stage": "train", "state": state, "fingerprint": fingerprint}
        return {
            "id": number,
            "experiment": "mine",
            "steps": [{**step, "identity": {"settings": {"experiment_seed": seed, "lr": lr}}}],
        }

    runs = [run(1, 1, 0.1, "a"), run(2, 1, 0.2, "b"), run(3, 2, 0.2, "c"), run(4, 3, 0.2, "d", "failed")]
    entries = find_entries(runs, tmp_path, every=False)
    assert [(e.model, e.seeds, e.folder.name) for e in entries] == [("mine", (1,), "b"), ("mine", (2,), "c")]
    assert [e.model for e in find_entries(runs, tmp_path, every=True)] == ["mine, run 1", "mine", "mine"]
