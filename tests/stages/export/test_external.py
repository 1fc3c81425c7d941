"""The bundle states how the exported ensemble performs on external cohorts, at the threshold that it serves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts.bundle.facts import BundleFacts, ExternalFacts, MemberFacts
from oceanpath.artifacts.external import write_external
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.predictions import read_cv_results
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.calibrate import calibrate_members, ensemble_threshold
from oceanpath.stages.export.card import render_card
from oceanpath.stages.export.external import describe_external, served_predictions
from oceanpath.stages.export.facts import describe_performance
from oceanpath.stages.export.settings import ExportSettings

from .conftest import TASK, Study
from .test_facts import facts  # noqa: F401  # a fixture

LABELS = np.array(["NR", "R"] * 15)


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """An external cohort of 30 slides, and the logits [2, 30] of the class R by both members."""
    logits = np.random.default_rng(3).normal(np.where(LABELS == "R", 0.8, -0.8), 1.5, (2, len(LABELS)))
    p = 1 / (1 + np.exp(-logits))
    slides = pd.DataFrame({"slide_id": [f"x{i:02d}" for i in range(30)], "label": LABELS, "role": "test"})
    slides["patient_id"] = [f"q{i // 2}" if i < 4 else f"q{i}" for i in range(30)]
    slides.loc[:3, "label"] = ["NR", "NR", "R", "R"]
    rows = [slides.assign(prob_NR=1 - p[k], prob_R=p[k], fold=k) for k in range(2)]
    write_external(pd.concat(rows, ignore_index=True), tmp_path, TASK)
    return tmp_path, logits


@pytest.fixture
def external(study: Study, cohort: tuple[Path, np.ndarray]) -> ExternalFacts:
    members = calibrate_members(study.train, read_cv_results(study.train), fit_temperatures=True)
    threshold = ensemble_threshold(members, TASK, ["b"])
    settings, results = ExportSettings(), read_cv_results(study.train)
    (found,) = describe_external(settings, {"b": cohort[0]}, results, (members, threshold), TASK)
    return found


def test_the_ensemble_is_evaluated_as_it_is_served(
    study: Study, cohort: tuple[Path, np.ndarray], external: ExternalFacts
) -> None:
    members = calibrate_members(study.train, read_cv_results(study.train), fit_temperatures=True)
    assert len({member.temperature for member in members} | {1.0}) > 1, "a temperature changes the probabilities"
    scaled = [1 / (1 + np.exp(-row / m.temperature)) for row, m in zip(cohort[1], members, strict=True)]
    served = np.mean(scaled, axis=0)
    is_r = np.r_[[False, False, True, True], LABELS[4:] == "R"]
    value = ensemble_threshold(members, TASK).value
    assert value is not None
    assert external.slide["auroc"].value == pytest.approx(roc_auc_score(is_r, served))
    assert external.slide["sensitivity"].value == pytest.approx((served[is_r] >= value).mean())
    assert external.slide["brier"].value == pytest.approx(((served - is_r) ** 2).mean())
    assert external.patient["auroc"].n == external.patients == 28 and external.slides == 30


def test_the_card_states_on_which_cohorts_the_ensemble_was_evaluated(
    study: Study,
    facts: BundleFacts,  # noqa: F811  # the fixture
    external: ExternalFacts,
) -> None:
    before = render_card(facts)
    assert "not evaluated for the ensemble" in facts.threshold.reason
    assert "External cohorts" not in before and "The ensemble itself was not evaluated" in before
    changes = {
        "external": [external],
        "performance": describe_performance(read_metrics(study.eval), 2, has_external=True),
        "threshold": ensemble_threshold(facts.members, TASK, ["b"]),
    }
    card = render_card(facts.model_copy(update=changes))
    assert "not evaluated" not in card and "evaluated on external cohorts: b" in card
    assert "### b\n\n30 slides of 28 patients (15 NR, 15 R)" in card
    assert f"| AUROC | {external.slide['auroc'].value:.3f} (" in card


def test_bundles_from_before_a_key_existed_have_the_same_bytes(
    facts: BundleFacts,  # noqa: F811  # the fixture
    external: ExternalFacts,
) -> None:
    before = facts.model_copy(update={"performance": facts.performance.model_copy(update={"decisions": {}})})
    parts = before.model_dump(mode="json")
    assert not {"external", "final"} & parts.keys() and "decisions" not in parts["performance"]
    assert BundleFacts(**parts) == before
    full = facts.model_copy(update={"external": [external]})
    dumped = json.loads(json.dumps(full.model_dump(mode="json")))
    assert dumped["external"][0]["name"] == "b" and BundleFacts(**dumped) == full


def test_the_cohorts_are_those_of_the_inputs() -> None:
    inputs = Inputs({"train": Path("t"), "external.b": Path("b"), "external.c": Path("c")})
    assert inputs.by_cohort("external") == {"b": Path("b"), "c": Path("c")}


def test_certain_predictions_stay_finite_at_a_low_temperature() -> None:
    member = MemberFacts(fold=0, n_val=30, temperature=0.25)
    frame = pd.DataFrame({"fold": [0, 0, 0], "prob_NR": [1.0, 0.0, 0.5], "prob_R": [0.0, 1.0, 0.5]})
    served = served_predictions(frame, [member], TASK)
    assert served["prob_R"].tolist() == pytest.approx([0.0, 1.0, 0.5])
    assert served["prob_NR"].tolist() == pytest.approx([1.0, 0.0, 0.5])
