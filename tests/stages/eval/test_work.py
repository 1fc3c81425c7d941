import json
from pathlib import Path

import pytest

from oceanpath.artifacts import folds, metrics
from oceanpath.errors import ArtifactError
from oceanpath.evaluation.figures import DECISIONS
from oceanpath.evaluation.summary import format_record
from oceanpath.figures import fonts
from oceanpath.figures.files import files_of
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval import work
from oceanpath.stages.eval.plots import pictures
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.eval.stage import STAGE

QUICK = EvalSettings(resamples=100)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "eval"
    folder.mkdir()
    return folder


def test_it_writes_metrics_and_pictures_that_pass_the_check(make, out):
    summary = work.run(QUICK, make().inputs, out, Quiet())
    work.check(out)
    figures = [name for png in (*pictures("classification"), DECISIONS) for name in files_of(png)]
    assert sorted(path.name for path in out.iterdir()) == sorted([metrics.FILE, *figures])
    found = metrics.read_metrics(out)
    assert summary.metrics["auroc"] == found["level"]["slide"]["auroc"]["value"]
    assert summary.metrics["auroc_low"] < summary.metrics["auroc"] < summary.metrics["auroc_high"]
    assert summary.metrics["floor_majority"] == 0.5
    assert summary.metrics["auroc_within_folds"] == found["level"]["slide"]["auroc_within_folds"]["value"]
    for name, record in found["versus_baseline"].items():
        keys = {"": "value", "_low": "low", "_high": "high", "_p": "p", "_verdict": "verdict"}
        assert {key: summary.metrics[f"versus_{name}{end}"] for end, key in keys.items()} == {
            key: record[key] for key in keys.values()
        }
    assert summary.lines[0].startswith("slide AUROC 0.")
    assert sum(line.startswith("baseline") for line in summary.lines) == 4
    json.dumps(dict(summary.metrics), allow_nan=False)


def test_the_same_inputs_give_the_same_bytes(make, out, tmp_path):
    inputs = make().inputs
    work.run(QUICK, inputs, out, Quiet())
    again = tmp_path / "again"
    again.mkdir()
    work.run(QUICK, inputs, again, Quiet())
    for path in out.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_many_classes_are_drawn_too(make, out):
    work.run(QUICK, make(classes=("a", "b", "c")).inputs, out, Quiet())
    work.check(out)


class Notes(Quiet):
    def __init__(self):
        self.lines = []

    def note(self, text):
        self.lines.append(text)


def test_class_names_without_a_font_are_said_once(make, out, monkeypatch):
    monkeypatch.setattr(fonts, "_installed", tuple)
    fonts.notice("eval")
    notes = Notes()
    work.run(QUICK, make(classes=("正常", "肿瘤")).inputs, out, notes)
    work.check(out)
    assert [line for line in notes.lines if "font" in line] == notes.lines[-1:]
    assert "4 of the letters" in notes.lines[-1] and "U+6B63" in notes.lines[-1]


def test_selected_rows_carry_the_word_on_the_screen_and_in_the_ledger(make, out):
    summary = work.run(QUICK, make(selected=True).inputs, out, Quiet())
    assert all("selected" in line for line in summary.lines if "AUROC" in line)
    assert all(name.startswith("selected_") for name in summary.metrics)


def test_one_class_alone_is_undefined_and_says_so_everywhere(make, out):
    cohort = make()
    frames = [folds.read_fold(cohort.inputs["split"], k).assign(label="neg") for k in range(3)]
    folds.write_folds(cohort.inputs["split"], frames, {"scheme": "kfold", "classes": cohort.classes})
    cohort.oof(label="neg")
    summary = work.run(QUICK, cohort.inputs, out, Quiet())
    work.check(out)
    assert summary.metrics["auroc"] is None and summary.metrics["brier"] > 0
    assert "undefined (the rows hold one class only)" in summary.lines[0]
    assert any(line.startswith("absent_classes: no test rows of pos") for line in summary.lines)


def test_the_check_misses_nothing(make, out):
    work.run(QUICK, make().inputs, out, Quiet())
    for path in sorted(out.iterdir()):
        kept = path.read_bytes()
        path.write_bytes(b"")
        with pytest.raises(ArtifactError):
            work.check(out)
        path.unlink()
        with pytest.raises(ArtifactError):
            work.check(out)
        path.write_bytes(kept)
    work.check(out)


def test_words_of_a_record():
    assert format_record({"value": 0.5, "low": 0.25, "high": 0.75}) == "0.500 (0.250 to 0.750)"
    assert format_record({"value": None, "reason": "one class"}) == "undefined (one class)"
    assert format_record({"value": 0.5, "low": None, "reason": "one patient only"}).endswith(
        "(no interval: one patient only)"
    )


def test_the_door():
    assert STAGE.required() == ("train", "mmap", "split") and STAGE.settings_class is EvalSettings
    own = ["resamples", "confidence", "metrics", "subgroups", "smallest_group", "cost_ratio"]
    own += ["patient_aggregation", "sealed"]
    assert EvalSettings.own_keys() == own
    assert set(EvalSettings(labels=Path("t.csv")).identity()) == {"resamples", "confidence", "seed"}
