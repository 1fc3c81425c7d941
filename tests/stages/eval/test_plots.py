import re

import numpy as np
import pytest
from matplotlib.text import Text

from oceanpath.errors import ArtifactError
from oceanpath.evaluation import class_figures
from oceanpath.evaluation.figures import draw_all
from oceanpath.evaluation.report import build_report
from oceanpath.figures import canvas
from oceanpath.figures.files import files_of
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval import plots
from oceanpath.stages.eval.baselines import predict_baselines
from oceanpath.stages.eval.plots import draw_losses, pictures
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.discrimination import auprc

QUICK = EvalSettings(resamples=100)


@pytest.fixture
def drawn(tmp_path):
    """Draws all pictures of a cohort; returns name → bytes."""

    def draw(cohort, name):
        out = tmp_path / name
        out.mkdir()
        rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
        floors = predict_baselines(rows, cohort.inputs, Quiet())
        draw_all(QUICK, rows, floors, build_report(QUICK, rows, floors), out)
        draw_losses(rows.results, cohort.inputs["train"], out / "learning.png")
        return {path.name: path.read_bytes() for path in out.iterdir()}

    return draw


def test_every_picture_changes_with_the_rows(make, drawn):
    cohort = make()
    before = drawn(cohort, "before")
    assert sorted(before) == sorted(name for png in pictures("classification") for name in files_of(png))
    frame = read_rows(cohort.inputs["train"], cohort.inputs["split"]).frame
    cohort.oof(prob_neg=frame["prob_pos"], prob_pos=frame["prob_neg"])
    after = drawn(cohort, "after")
    assert all(before[name] != after[name] for name in after if not name.startswith("learning"))


@pytest.mark.parametrize("classes", [("neg", "pos"), ("a", "b", "c")])
def test_selected_rows_say_so_in_every_picture(make, drawn, classes):
    cohort = make(classes=classes)
    honest = drawn(cohort, "honest")
    path = cohort.inputs["train"] / "cv_results.json"
    path.write_text(path.read_text().replace('"selected": false', '"selected": true'))
    assert all(honest[name] != found for name, found in drawn(cohort, "selected").items())


@pytest.fixture
def texts(monkeypatch):
    """What is written in the figures that are drawn: title of the axes → all texts of the figure."""
    seen = {}

    def keep(figure):
        figure.draw_without_rendering()
        words = [text.get_text() for text in figure.findobj(Text)]
        seen[figure.axes[0].get_ylabel()] = [word for word in words if word]
        return []

    monkeypatch.setattr(canvas, "make_readable", keep)
    return seen


ROC, PR = "True positive rate (sensitivity)", "Precision (positive predictive value)"


def test_legends_hold_counts_and_the_numbers_and_intervals_of_metrics_json(make, drawn, texts):
    cohort = make()
    drawn(cohort, "a")
    rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
    floors = predict_baselines(rows, cohort.inputs, Quiet())
    report = build_report(QUICK, rows, floors)
    for axis, name, key in ((ROC, "AUROC", "auroc"), (PR, "AP", "auprc")):
        assert "60 slides of 30 patients, 95 % intervals" in texts[axis]
        for line, records in (
            ("model", report["level"]["slide"]),
            ("mean pooling + LR", report["floor"][class_figures.BASELINE]),
        ):
            one = records[key]
            said = f"{line}, {name} {one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
            assert said in [word.replace("\n", " ") for word in texts[axis]]
    assert any(word.startswith("prevalence 0.") for word in texts[PR])


def test_legends_of_several_classes_hold_counts_and_intervals_of_each(make, drawn, texts):
    drawn(make(classes=("a", "b", "c")), "a")
    lines = " | ".join(texts[ROC])
    for name in "abc":
        assert re.search(rf"{name} \(n = \d+\), AUROC 0\.\d{{3}} \(0\.\d{{3}} to [01]\.\d{{3}}\)", lines)


def test_calibration_has_a_smooth_curve_or_says_why_not(make, drawn, texts):
    cohort = make()
    drawn(cohort, "a")
    assert any("logistic recalibration, slope" in word for word in texts["Observed fraction of pos"])
    frame = read_rows(cohort.inputs["train"], cohort.inputs["split"]).frame
    sure = np.where(frame["label"] == "pos", 0.9, 0.2)
    cohort.oof(prob_neg=1 - sure, prob_pos=sure)
    drawn(cohort, "b")
    assert any("no smooth curve" in word for word in texts["Observed fraction of pos"])


def test_a_precision_recall_curve_goes_down_or_right_with_each_step():
    hit = np.array([1, 0, 0, 1, 0, 1], bool)
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    records = {name: {"value": 0.5, "low": None} for name in ("auroc", "auprc")}
    line = class_figures._pair("model", hit, score, records)[1]
    assert line.name == "model, AP 0.500"
    assert line.x.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert line.y.tolist() == pytest.approx([1, 1, 0.5, 0.5])
    area = np.sum(np.diff(line.x) * line.y[1:])
    assert area == pytest.approx(auprc(hit.astype(np.int64), np.stack([1 - score, score], axis=1)).value)


def test_losses_of_every_fold_are_drawn_with_the_epoch_that_was_kept(make, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(plots, "draw_learning", lambda path, folds, title: seen.extend(folds))
    cohort = make()
    rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
    draw_losses(rows.results, cohort.inputs["train"], tmp_path / "a.png")
    assert [fold.name for fold in seen] == ["fold 0", "fold 1", "fold 2"]
    assert {fold.kept for fold in seen} == {1} and seen[0].train == pytest.approx([0.7, 0.5, 0.3])


@pytest.mark.parametrize("content", ["", "[{}]", "{", "3"])
def test_a_damaged_history_is_named(make, tmp_path, content):
    cohort = make()
    (cohort.inputs["train"] / "fold_1/history.json").write_text(content)
    results = read_rows(cohort.inputs["train"], cohort.inputs["split"]).results
    with pytest.raises(ArtifactError, match=r"fold_1/history\.json"):
        draw_losses(results, cohort.inputs["train"], tmp_path / "a.png")
