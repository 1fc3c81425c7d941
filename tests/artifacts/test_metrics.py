import json

import pytest

from oceanpath.artifacts import metrics
from oceanpath.errors import ArtifactError
from oceanpath.tasks.classification import Classification

RECORD = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 10, "n_patients": 8, "resamples": 100, "redrawn": 0}
BETTER = {"value": 0.1, "low": 0.05, "high": 0.2, "n": 10, "n_patients": 8, "p": 0.01, "verdict": "better"}


def report():
    group = dict.fromkeys(Classification.metrics, RECORD)
    found = {
        "classes": ["a", "b"],
        "scheme": "kfold",
        "selected": False,
        "level": dict.fromkeys(metrics.LEVELS, group),
        "operating_point": {"rule": "r", "thresholds": [0.5], "slide": group, "patient": group},
        "floor": dict.fromkeys(Classification.baselines, group),
        "versus_baseline": dict.fromkeys(Classification.baselines, BETTER),
        "folds": [{"fold": 0, "n": 10, "n_patients": 8, "auroc": RECORD}],
        "notes": [],
    }
    return json.loads(json.dumps(found))  # no object is shared


def test_what_is_written_is_read_and_its_bytes_do_not_depend_on_the_order_of_keys(tmp_path):
    metrics.write_metrics(report(), tmp_path)
    once = (tmp_path / metrics.FILE).read_bytes()
    assert metrics.read_metrics(tmp_path) == report()
    metrics.write_metrics(dict(reversed(report().items())), tmp_path)
    assert (tmp_path / metrics.FILE).read_bytes() == once


def test_all_metrics_and_baselines_of_the_task_are_required(tmp_path):
    metrics.require(report(), Classification.metrics, Classification.baselines, tmp_path)
    with pytest.raises(ArtifactError, match=r"a metric is missing; expected \['r2'\]"):
        metrics.require(report(), (*Classification.metrics, "r2"), Classification.baselines, tmp_path)
    with pytest.raises(ArtifactError, match="baselines are not those of the task"):
        metrics.require(report(), Classification.metrics, ("majority",), tmp_path)


def test_an_undefined_number_needs_its_reason(tmp_path):
    found = report()
    found["level"]["slide"]["auroc"] = {"value": None, "reason": "the rows hold one class only"}
    found["floor"]["majority"]["auroc"] = RECORD | {"low": None, "high": None, "reason": "one patient only"}
    metrics.write_metrics(found, tmp_path)
    found["level"]["slide"]["auroc"] = {"value": None}
    with pytest.raises(ArtifactError, match="without a reason"):
        metrics.write_metrics(found, tmp_path)


@pytest.mark.parametrize("spot", ["level", "floor", "folds", "operating_point"])
def test_infinity_is_refused_wherever_it_is(tmp_path, spot):
    found = report()
    group = {
        "level": found["level"]["patient"],
        "floor": found["floor"]["bag_length"],
        "folds": found["folds"][0],
        "operating_point": found["operating_point"]["slide"],
    }[spot]
    group["auroc"] = RECORD | {"high": float("inf")}
    with pytest.raises(ArtifactError, match="not finite"):
        metrics.write_metrics(found, tmp_path)
    (tmp_path / metrics.FILE).write_text(json.dumps(found))
    with pytest.raises(ArtifactError, match="not finite"):
        metrics.read_metrics(tmp_path)


def test_selected_rows_say_so_at_every_number(tmp_path):
    found = report() | {"selected": True}
    with pytest.raises(ArtifactError, match="selected"):
        metrics.write_metrics(found, tmp_path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("notes",), "lack a key"),
        (("floor", "majority"), "lack a group"),
        (("versus_baseline", "bag_length"), "not compared"),
        (("level", "slide", "mcc"), "is missing"),
    ],
)
def test_a_missing_key_group_or_metric_is_found(tmp_path, path, said):
    found = report()
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    with pytest.raises(ArtifactError, match=said):
        metrics.write_metrics(found, tmp_path)


def test_a_number_says_of_how_many_rows_it_is(tmp_path):
    found = report()
    del found["level"]["slide"]["f1"]["n"]
    with pytest.raises(ArtifactError, match="lacks its number of rows"):
        metrics.write_metrics(found, tmp_path)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "better"),
        ({"low": 0.0}, "not_shown_better"),
        ({"value": -0.1, "low": -0.2, "high": 0.0}, "not_shown_better"),
        ({"value": -0.1, "low": -0.2, "high": -0.05}, "worse"),
        ({"low": None, "high": None, "reason": "one patient only"}, "undetermined"),
    ],
)
def test_a_verdict_follows_from_its_interval(tmp_path, change, verdict):
    found = report()
    found["versus_baseline"]["majority"] = BETTER | change | {"verdict": verdict}
    metrics.write_metrics(found, tmp_path)
    for other in {"better", "worse", "not_shown_better", "undetermined"} - {verdict}:
        found["versus_baseline"]["majority"]["verdict"] = other
        with pytest.raises(ArtifactError, match="verdict does not follow"):
            metrics.write_metrics(found, tmp_path)


@pytest.mark.parametrize("change", [{"low": 0.81}, {"high": 0.79}])
def test_a_number_lies_within_its_interval(tmp_path, change):
    found = report()
    found["level"]["slide"]["auprc"] = RECORD | change
    with pytest.raises(ArtifactError, match="outside its own interval"):
        metrics.write_metrics(found, tmp_path)


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(ArtifactError, match="no readable"):
        metrics.read_metrics(tmp_path)
