"""The model card states each fact of the bundle, in its row or sentence."""

from __future__ import annotations

import pytest

from oceanpath.artifacts.bundle.facts import BundleFacts, EstimateFacts, ExternalFacts, ThresholdFacts
from oceanpath.stages.export.card import BASELINES, NAMES, render_card
from oceanpath.tasks.classification import Classification

from .example_facts import estimate, example_facts, parity


def section(card: str, title: str) -> list[str]:
    """The lines of a section that are not empty."""
    (_, _, rest) = card.partition(f"## {title}")
    lines = rest.partition("\n## ")[0].splitlines()[1:]
    return [line for line in lines if line]


def test_the_sections_are_in_order_and_separated() -> None:
    card = render_card(example_facts())
    titles = [line for line in card.splitlines() if line.startswith("#")]
    expected = ["Overview", "Usage", "Performance", "Calibration and threshold", "Limitations"]
    assert titles == [
        "# abmil on toy",
        *(f"## {name}" for name in expected),
        "## Verification of the exported files",
    ]
    assert card.endswith("before loading.\n") and "\n\n\n" not in card
    assert f"\n\n**{example_facts().notice}**\n\n" in card


def test_the_overview_has_a_row_per_property_of_the_model_and_its_input() -> None:
    assert section(render_card(example_facts()), "Overview") == [
        "|  |  |",
        "| --- | --- |",
        "| Task | slide-level classification, 2 classes: NR, R |",
        "| Model | mean of 2 members (abmil) |",
        "| Input | features of one slide, [N, 24], one row per patch, rounded to float16 |",
        "| Coordinates | not used |",
        "| Patches used | all |",
        "| Encoder | toy |",
        "| Patch size, resolution | not recorded, not recorded |",
        "| Output | class probabilities, and one attention weight per patch |",
        "| Unlike slides | not recognised, because the training slides are not known |",
        "| Trained on | 60 slides of 30 patients (32 NR, 28 R) |",
        "| Patches per slide | median 30, at most 61 |",
    ]


def test_a_single_model_is_no_mean_and_an_unknown_encoder_is_stated() -> None:
    facts = example_facts()
    contract = facts.contract.model_copy(update={"encoder": ""})
    rows = section(render_card(example_facts(members=facts.members[:1], contract=contract)), "Overview")
    assert "| Model | single model (abmil) |" in rows
    assert "| Encoder | not recorded |" in rows


def test_every_metric_has_both_levels_with_interval_or_reason() -> None:
    assert section(render_card(example_facts()), "Performance") == [
        "These are means. Confidence intervals take patients as the independent units.",
        "|  | Slide level | Patient level |",
        "| --- | --- | --- |",
        "| AUROC | 0.800 (0.700 to 0.900) | undefined: one class only |",
        "| ECE | 0.050 | undefined |",
        "| Baseline | Slide-level AUROC |",
        "| --- | --- |",
        "| Mean-pooled features, logistic regression | 0.700 (0.600 to 0.800) |",
        "| Majority class | 0.500 |",
    ]


def test_titles_are_those_of_metrics_and_baselines_of_the_evaluation() -> None:
    assert set(NAMES) <= {*Classification.metrics, "sensitivity", "specificity"}
    assert set(BASELINES) == {*Classification.baselines, "clinical"}


@pytest.mark.parametrize(("low", "high"), [(0.4, None), (None, 0.6)])
def test_half_an_interval_is_not_printed(low: float | None, high: float | None) -> None:
    performance = example_facts().performance
    slide = {"auroc": EstimateFacts(value=0.5, low=low, high=high)}
    card = render_card(example_facts(performance=performance.model_copy(update={"slide": slide})))
    assert "| AUROC | 0.500 | " in card


def test_the_members_are_listed_with_temperature_reason_and_thresholds() -> None:
    assert section(render_card(example_facts()), "Calibration and threshold") == [
        "Served as is. Reported as is.",
        "Decision threshold: 0.6384 on the probability of R; mean of 1 of 2 members.",
        "| Fold | Validation slides | Temperature | Note | Raw threshold | Threshold |",
        "| --- | --- | --- | --- | --- | --- |",
        "| 0 | 25 | 1.5 | fitted | 0.7000 | 0.6384 |",
        "| 1 | 12 | 1 | 12 validation slides; 20 are needed | none | none |",
    ]
    none = ThresholdFacts(value=None, positive=None, reason="there are three classes")
    assert "Decision threshold: none, because there are three classes.\n" in render_card(example_facts(threshold=none))


def test_the_verification_states_both_comparisons() -> None:
    (text,) = section(render_card(example_facts()), "Verification of the exported files")
    assert text == (
        "50 of the 60 evaluated test predictions were computed again with every exported file, each by the member of "
        "its test fold; the largest difference between probabilities is 3.0e-07 (allowed: 1e-05). Every file was "
        "compared with the PyTorch model at 7 and 100 patches and 1 and 3 bags; the largest difference of any output "
        "is 1.0e-07. `bundle.json` contains each comparison and the SHA-256 of every file, which is verified before "
        "loading."
    )


def test_predictions_of_another_device_are_stated_with_their_difference() -> None:
    (text,) = section(render_card(example_facts(parity=parity(elsewhere=2))), "Verification of the exported files")
    assert (
        "(allowed: 1e-05). 2 of them were originally computed on another device, with differences of up to 4.0e-04 "
        "from this CPU; for these the files were compared with PyTorch on the CPU. Every file"
    ) in text


def external(name: str) -> ExternalFacts:
    return ExternalFacts(
        name=name,
        slides=8,
        patients=5,
        slides_per_class={"NR": 5, "R": 3},
        slide={"auroc": estimate(0.6), "sensitivity": estimate(0.5)},
        patient={"auroc": estimate(0.65)},
    )


def test_external_cohorts_have_a_section_and_change_the_limitations() -> None:
    alone, both = example_facts(), example_facts(external=[external("B"), external("C")])
    assert "tested only on patients of the same cohort." in render_card(alone)
    card = render_card(both)
    assert "tested only on patients" not in card and "the ensemble on the external cohorts above" in card
    rows = section(card, "External cohorts")
    half = [
        "8 slides of 5 patients (5 NR, 3 R)",
        "|  | Slide level | Patient level |",
        "| --- | --- | --- |",
        "| AUROC | 0.600 (0.500 to 0.700) | 0.650 (0.550 to 0.750) |",
        "| Sensitivity | 0.500 (0.400 to 0.600) | undefined |",
    ]
    assert rows[1:] == ["### B", *half, "### C", *half]
    assert BundleFacts(**both.model_dump()).external == both.external


def test_a_selection_on_the_same_slides_is_stated() -> None:
    performance = example_facts().performance
    selected = example_facts(performance=performance.model_copy(update={"selected": True}))
    assert "## Performance (selected: these slides were also used for selection)\n" in render_card(selected)
    assert "## Performance\n" in render_card(example_facts())
