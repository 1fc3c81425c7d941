"""Models from different sources are compared on their common slides; disagreements are errors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import oceanpath as op
from oceanpath.errors import ExperimentError, StageError
from oceanpath.evaluation.comparison import comparison_report, table_rows
from oceanpath.evaluation.joined_models import ComparedModel, join_models, read_model
from oceanpath.evaluation.pair_tests import named_tests
from oceanpath.evaluation.prediction_file import PredictionColumns
from oceanpath.figures.comparison import ForestRow, _cliques, draw_forest, draw_ranks

RANDOM, N = np.random.default_rng(0), 60
LABEL = np.arange(N) // 2 % 2
OPTIONS = SimpleNamespace(resamples=200, confidence=0.95, seed=1, margin=0.1)


def table(skill: float, **changes: Any) -> pd.DataFrame:
    score = 1 / (1 + np.exp(-skill * (LABEL - 0.5) - RANDOM.normal(size=N)))
    frame = pd.DataFrame({"slide_id": [f"s{i:02d}" for i in range(N)], "patient_id": [f"p{i // 2}" for i in range(N)]})
    frame = frame.assign(label=np.where(LABEL, "pos", "neg"), prob_neg=1 - score, prob_pos=score)
    return frame.assign(fold=np.arange(N) // 4 % 3).assign(**changes)


def model(tmp_path: Path, name: str, frame: pd.DataFrame) -> ComparedModel:
    path = tmp_path / f"{name}.csv"
    frame.to_csv(path, index=False)
    return read_model(name, path, PredictionColumns())


def test_the_python_interface_gives_the_same_difference_and_tests(tmp_path: Path) -> None:
    """`op.compare` draws the same resamples and calls the same tests as `oceanpath compare`."""
    good, weak = table(4.0), table(0.0)
    rows, notes = join_models([model(tmp_path, "good", good), model(tmp_path, "weak", weak)])
    (pair,) = comparison_report(OPTIONS, rows, notes)["pairs"]
    keys = {"classes": ["neg", "pos"], "resamples": OPTIONS.resamples, "seed": OPTIONS.seed}
    one, two = (
        op.metrics(good["label"].tolist(), rows.values[name], rows.patients, **keys) for name in ("good", "weak")
    )
    found = op.compare(one, two, resamples=OPTIONS.resamples, seed=OPTIONS.seed)
    assert found.differences["auroc"].record() | {"p_holm": pair["difference"]["p_holm"]} == pair["difference"]
    assert {name: found.tests[name]["p"] for name in found.tests} == {name: pair[name]["p"] for name in found.tests}


def test_models_are_compared_on_common_slides_and_dropped_rows_are_listed(tmp_path: Path) -> None:
    good, weak = table(4.0), table(0.0)
    models = [
        model(tmp_path, "good", good),
        model(tmp_path, "weak", weak.iloc[:56]),
        model(tmp_path, "theirs", good.drop(columns="patient_id").iloc[::-1]),
    ]
    rows, notes = join_models(models)
    assert len(rows.slides) == 56 and rows.patients[:2] == ["p0", "p0"]
    assert notes[0].startswith("good: 4 of 60 rows are left out") and "s56" in notes[0]
    assert np.array_equal(rows.values["good"], rows.values["theirs"])
    report = comparison_report(OPTIONS, rows, notes)
    assert report["best"] == "good" and set(report["versus_best"]) == {"weak", "theirs"}
    weak_row = report["versus_best"]["weak"]
    assert weak_row["high"] < 0
    assert weak_row["value"] == pytest.approx(report["models"]["weak"]["value"] - report["models"]["good"]["value"])
    assert report["versus_best"]["theirs"]["value"] == 0
    assert len(report["pairs"]) == 3
    for pair in report["pairs"]:
        for test in named_tests(pair):
            assert pair[test]["p"] is None or pair[test]["p"] <= pair[test]["p_holm"]
    assert report["ranks"]["test_sets"] == 3 and report["ranks"]["mean_ranks"]["weak"] == 3
    lines = table_rows(report)
    assert [line[0] for line in lines] == ["good", "theirs", "weak"] and lines[0][2] == "best" and lines[2][3]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"label": ["pos", *np.where(LABEL, "pos", "neg")[1:]]},
            ExperimentError,
            "disagree on label.*1 slides, first s00: neg and pos",
        ),
        ({"patient_id": ["q", *[f"p{i // 2}" for i in range(1, N)]]}, ExperimentError, "disagree on patient_id"),
        ({"slide_id": [f"x{i}" for i in range(N)]}, ExperimentError, "no common slide"),
    ],
)
def test_models_of_different_cohorts_are_not_compared(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        join_models([model(tmp_path, "a", table(1.0)), model(tmp_path, "b", table(1.0, **change))])


def test_models_of_different_targets_are_not_compared(tmp_path: Path) -> None:
    other = table(1.0, label=np.where(LABEL, "pos", "maybe")).rename(columns={"prob_neg": "prob_maybe"})
    with pytest.raises(StageError, match="different targets"):
        join_models([model(tmp_path, "a", table(1.0)), model(tmp_path, "b", other)])


def test_figures_of_a_comparison_are_deterministic(tmp_path: Path) -> None:
    rows = [ForestRow("a", 0.9, 0.8, 0.95), ForestRow("b", 0.7, None, None)]
    for name in ("x", "y"):
        draw_forest(tmp_path / f"{name}.png", rows, "AUROC", "title", reference=0.5)
        draw_ranks(tmp_path / f"{name}_ranks.png", {"a": 1.2, "b": 1.9, "c": 2.9}, 1.0, "title")
    for kind in ("", "_ranks"):
        assert (tmp_path / f"x{kind}.png").read_bytes() == (tmp_path / f"y{kind}.png").read_bytes()
    assert _cliques([1.2, 1.9, 2.9], 1.0) == [(0, 1), (1, 2)]
    assert _cliques([1.0, 2.5, 4.0], 1.0) == [] and _cliques([1.0, 1.5, 1.9], 1.0) == [(0, 2)]
