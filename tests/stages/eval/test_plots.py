import pytest

from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval.floors import predict_floors
from oceanpath.stages.eval.plots import PICTURES, draw_all
from oceanpath.stages.eval.report import build_report
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings

QUICK = EvalSettings(resamples=100)


@pytest.fixture
def drawn(tmp_path):
    """Draws all pictures of a cohort; returns name → bytes."""

    def draw(cohort, name):
        out = tmp_path / name
        out.mkdir()
        rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
        floors = predict_floors(rows, cohort.inputs, Quiet())
        draw_all(QUICK, rows, floors, build_report(QUICK, rows, floors), out)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    return draw


def test_every_picture_changes_with_the_rows(make, drawn):
    cohort = make()
    before = drawn(cohort, "before")
    assert sorted(before) == sorted(PICTURES) and all(found.startswith(b"\x89PNG") for found in before.values())
    frame = read_rows(cohort.inputs["train"], cohort.inputs["split"]).frame
    cohort.oof(prob_neg=frame["prob_pos"], prob_pos=frame["prob_neg"])
    after = drawn(cohort, "after")
    assert all(before[name] != after[name] for name in PICTURES)


@pytest.mark.parametrize("classes", [("neg", "pos"), ("a", "b", "c")])
def test_selected_rows_say_so_in_every_picture(make, drawn, classes):
    cohort = make(classes=classes)
    honest = drawn(cohort, "honest")
    path = cohort.inputs["train"] / "cv_results.json"
    path.write_text(path.read_text().replace('"selected": false', '"selected": true'))
    assert all(honest[name] != found for name, found in drawn(cohort, "selected").items())
