"""Several seeds: one part per fold and seed, numbered over the seeds, and the same models as one seed at a time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tested_slides import plan_of_seeds, read_plan
from oceanpath.evaluation.model_rows import read_test_rows
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.work import parts

from .test_work import QUICK, TASK, contents, whole

SHORT = QUICK.model_copy(update={"epochs": 2, "patience": 2})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seeds": []}, "there is no seed, so no model would be trained"),
        ({"seeds": [1, 2, 1]}, "a seed is listed twice"),
        ({"seeds": [1, 2], "seed": 1}, "both seed and seeds are set"),
        ({"seeds": [1, -2]}, "greater than or equal to 0"),
    ],
)
def test_seeds_that_are_not_valid_have_their_own_words(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSettings.model_validate(values)


def test_one_seed_in_a_list_is_this_seed() -> None:
    assert TrainSettings(seeds=[7]) == TrainSettings(seed=7)
    assert TrainSettings(seeds=[7]).training_seeds == (7,)
    assert TrainSettings(experiment_seed=3).training_seeds == (3,)


def test_a_part_of_several_seeds_is_that_of_one_seed(inputs: Inputs) -> None:
    def identities(**change: object) -> list[str]:
        found = parts(QUICK.model_copy(update=change), inputs)
        return [json.dumps(dict(part.identity), sort_keys=True) for part in found]

    several = identities(seeds=(42, 1))
    assert several == identities() + identities(seed=1), "42 is the seed of the experiment"
    assert set(identities(seeds=(42, 1, 2))) > set(several), "a further seed trains its own folds alone"
    keys = [part.key for part in parts(QUICK.model_copy(update={"seeds": (42, 1)}), inputs)]
    assert keys == [f"seed_{seed}_fold_{fold}" for seed in (42, 1) for fold in range(3)]


def test_seeds_are_repeats_of_the_cross_validation(inputs: Inputs, tmp_path: Path) -> None:
    out = whole(SHORT.model_copy(update={"seeds": (42, 1)}), inputs, tmp_path / "two")
    one = whole(SHORT.model_copy(update={"seed": 1}), inputs, tmp_path / "one")
    results, oof = predictions.read_cv_results(out), predictions.read_oof(out, TASK)
    assert [(fold["fold"], fold["split_fold"], fold["seed"]) for fold in results["per_fold"]] == [
        *((0, 0, 42), (1, 1, 42), (2, 2, 42)),
        *((3, 0, 1), (4, 1, 1), (5, 2, 1)),
    ]
    second = oof[oof["fold"] >= 3].assign(fold=lambda rows: rows["fold"] - 3).reset_index(drop=True)
    assert second.equals(predictions.read_oof(one, TASK))
    assert contents(out / "fold_4")["best.ckpt"] == contents(one / "fold_1")["best.ckpt"]
    part = tmp_path / "two" / "seed_1_fold_1"
    assert json.loads((part / "fold.json").read_text())["fold"] == 1, "the published part keeps its own number"
    scores, plan = results["seeds"], read_plan(results)
    means = [np.mean([fold["val_loss"] for fold in results["per_fold"] if fold["seed"] == seed]) for seed in (42, 1)]
    assert scores["seeds"] == plan.seed_list == [42, 1]
    assert scores["val_loss"]["by_seed"] == pytest.approx(means) and scores["val_loss"]["sd"] > 0
    assert (plan.n_repeats, plan.split_folds) == (2, (0, 1, 2, 0, 1, 2))
    rows = read_rows(out, inputs["split"])
    assert rows.repeats.tolist() == [0] * 24 + [1] * 24 and set(rows.split_folds) == {0, 1, 2}
    frame = read_test_rows(out, "two")[1]
    assert len(frame) == 48 and set(frame["seed"]) == {0, 1} and set(frame["fold"]) == {0, 1, 2}


def test_the_plan_of_repeats_and_ensembles_is_repeated_for_every_seed() -> None:
    entries = [(0, 0), (0, 0), (1, 2), (1, 2)]
    plan = [{"repeat": repeat, "ensemble": ensemble, "name": ""} for repeat, ensemble in entries]
    found = read_plan({"plan": plan_of_seeds(plan, [5, 6]), "folds": 8})
    assert found.repeats == (0, 0, 1, 1, 2, 2, 3, 3)
    assert found.ensembles == (0, 0, 2, 2, 4, 4, 6, 6)
    assert found.seeds == (5, 5, 5, 5, 6, 6, 6, 6) and found.repeats_text == "2 repeats of 2 seeds"
