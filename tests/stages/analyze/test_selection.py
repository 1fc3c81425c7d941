import pandas as pd
import pytest

from oceanpath.stages.analyze.selection import pick_slides, review, spread
from oceanpath.tasks.classification import Classification

TASK = Classification(["neg", "pos"])


def rows(truth, p):
    frame = pd.DataFrame({"slide_id": [f"s{i}" for i in range(len(p))], "patient_id": "p", "label": truth})
    return review(frame.assign(prob_neg=[1 - value for value in p], prob_pos=p, fold=0, role="test"), TASK)


def test_half_are_the_worst_errors_and_the_rest_the_surest():
    frame = rows(["pos"] * 6 + ["neg"] * 2, [0.9, 0.1, 0.4, 0.3, 0.99, 0.6, 0.05, 0.2])
    found = pick_slides(frame, 4)
    assert found["slide_id"].tolist() == ["s1", "s3", "s4", "s6"]
    assert found["kind"].tolist() == ["error", "error", "correct", "correct"]
    assert found["certainty"].tolist() == pytest.approx([0.1, 0.3, 0.99, 0.95])
    assert pick_slides(frame.iloc[::-1], 4)["slide_id"].tolist() == found["slide_id"].tolist()


@pytest.mark.parametrize(("p", "errors"), [([0.9, 0.8, 0.7], 0), ([0.1, 0.2, 0.3], 3), ([0.1, 0.2, 0.9], 2)])
def test_where_one_kind_runs_out_the_other_fills_up(p, errors):
    found = pick_slides(rows(["pos"] * 3, p), 3)
    assert len(found) == 3 and (found["kind"] == "error").sum() == errors
    assert len(pick_slides(rows(["pos"] * 3, p), 10)) == 3


def test_slides_for_curves_are_spread_over_the_sorted_ids():
    frame = rows(["pos"] * 5, [0.5] * 5).iloc[::-1]
    assert spread(frame, 3) == ["s0", "s2", "s4"]
    assert spread(frame, 9) == ["s0", "s1", "s2", "s3", "s4"] and spread(frame, 0) == []
