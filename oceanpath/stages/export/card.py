"""MODEL_CARD.md: the facts of the bundle as text, after Mitchell et al., "Model Cards for Model Reporting"."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.artifacts.bundle.facts import BundleFacts, CohortFacts, Contract, EstimateFacts, ExternalFacts
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.stages.export.card_text import (
    COORDS,
    cap_text,
    cohort_parity_text,
    final_rows,
    geometry_text,
    input_rows,
    level_table,
    level_title,
    markdown_table,
    parity_text,
    patches_row,
    similarity_text,
    unit_text,
    use_text,
)
from oceanpath.tasks.classification import Classification

NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "mcc": "MCC",
    "brier": "Brier score",
    "ece": "ECE",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
BASELINES = Classification.titles
NO_COHORT = "The performance of the model is not recorded."
ONE_COHORT = "The model was tested only on patients of the same cohort."
EXTERNAL_TOO = "The model was tested on patients of the same cohort, and the ensemble on the external cohorts above."
NOT_TESTED = (
    "The model itself was not tested. The models of the folds were tested on patients of this cohort, who are also "
    "training patients of this model."
)
EXTERNAL_ALONE = "The model was tested on patients of the external cohorts above."
LIMITS = """\
- {cohorts} With other scanners, stains, laboratories or populations its
  performance may be worse, without any indication.
- It returns a prediction for every input of the right shape, including slides of unrelated tissues or diseases. The
  flag of unlike slides (see above) does not recognise all of them.
- Attention shows which patches influenced a prediction; it is neither a segmentation nor evidence of a cause.
- Features of another encoder, patch size or resolution are not supported. They are rejected if the file states these
  properties; properties that a file does not state are not compared."""


def render_card(facts: BundleFacts) -> str:
    """The whole card as Markdown."""
    parts = [
        f"# {facts.name}",
        f"**{facts.notice}**",
        _what(facts),
        "## Usage\n\n" + use_text(facts.contract),
        _performance(facts),
        *([_external(facts.external, facts.contract)] if facts.external else []),
        _members(facts),
        "## Limitations\n\n" + LIMITS.format(cohorts=tested_on(facts)),
        _parity(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _what(facts: BundleFacts) -> str:
    contract = facts.contract
    rows = [
        (
            "Task",
            f"{level_title(contract).lower()} classification, {len(facts.classes)} classes: {', '.join(facts.classes)}",
        ),
        ("Model", f"{ensemble_text(len(facts.members))} ({facts.model['name']})"),
        *final_rows(facts.final),
        *input_rows(contract),
        ("Coordinates", COORDS[contract.coords]),
        ("Patches used", cap_text(contract)),
        ("Encoder", contract.encoder or "not recorded"),
        ("Patch size, resolution", geometry_text(contract)),
        ("Output", "class probabilities, and one attention weight per patch"),
        ("Unlike slides", similarity_text(facts.similarity)),
        *_cohort(facts.cohort, contract),
    ]
    return "## Overview\n\n" + markdown_table(("", ""), rows)


def tested_on(facts: BundleFacts | ValueFacts) -> str:
    """On whom the model of a bundle was tested."""
    if not facts.performance.slide:
        return NO_COHORT
    if facts.final is not None and facts.final.choice == "refit":
        return NOT_TESTED
    if facts.final is not None and facts.external:
        return EXTERNAL_ALONE
    return EXTERNAL_TOO if facts.external else ONE_COHORT


def _cohort(cohort: CohortFacts | None, contract: Contract) -> list[tuple[str, str]]:
    if cohort is None:
        return [("Trained on", "not recorded")]
    per_class = ", ".join(f"{count} {name}" for name, count in cohort.slides_per_class.items())
    return [
        ("Trained on", f"{cohort.slides} slides of {cohort.patients} patients ({per_class})"),
        patches_row(cohort, contract),
    ]


def _performance(facts: BundleFacts) -> str:
    performance = facts.performance
    if not performance.slide:
        return f"## Performance\n\n{performance.meaning}"
    note = " (selected: these slides were also used for selection)" if performance.selected else ""
    metrics = performance.slide.items()
    rows = [(NAMES[key], estimate_text(slide), estimate_text(performance.patient.get(key))) for key, slide in metrics]
    table = level_table(rows, facts.contract)
    baseline_rows = [(BASELINES[key], estimate_text(value)) for key, value in performance.floor_auroc.items()]
    baselines = markdown_table(("Baseline", f"{level_title(facts.contract)} AUROC"), baseline_rows)
    intervals = "Confidence intervals take patients as the independent units."
    return f"## Performance{note}\n\n{performance.meaning} {intervals}\n\n{table}\n\n{baselines}"


def _external(cohorts: Sequence[ExternalFacts], contract: Contract) -> str:
    """The section on external cohorts."""
    text = (
        "The model in this bundle was evaluated on cohorts without patients of the training cohort, with the "
        "probabilities and the threshold that it serves."
    )
    parts = [f"## External cohorts\n\n{text}"]
    for cohort in cohorts:
        per_class = ", ".join(f"{count} {name}" for name, count in cohort.slides_per_class.items())
        counts = f"{cohort.slides} slides of {cohort.patients} patients ({per_class})"
        rows = [
            (NAMES[key], estimate_text(slide), estimate_text(cohort.patient.get(key)))
            for key, slide in cohort.slide.items()
        ]
        parts.append(f"### {cohort.name}\n\n{counts}\n\n{level_table(rows, contract)}")
    return "\n\n".join(parts)


def _members(facts: BundleFacts) -> str:
    threshold = facts.threshold
    decision = f"none, because {threshold.reason}."
    if threshold.value is not None:
        decision = f"{threshold.value:.4f} on the probability of {threshold.positive}; {threshold.reason}."
    is_refit = facts.final is not None and facts.final.choice == "refit"
    rows = [
        (
            "all" if is_refit else str(m.fold),
            str(m.n_val),
            f"{m.temperature:g}",
            m.reason or "fitted",
            _number(m.raw_threshold),
            _number(m.threshold),
        )
        for m in facts.members
    ]
    validation = f"Validation {unit_text(facts.contract)}s"
    head = ("Fold", validation, "Temperature", "Note", "Raw threshold", "Threshold")
    text = f"{facts.calibration.served} {facts.calibration.reported}"
    return f"## Calibration and threshold\n\n{text}\n\nDecision threshold: {decision}\n\n{markdown_table(head, rows)}"


def _parity(facts: BundleFacts) -> str:
    stored = facts.parity.stored
    replayed = cohort_parity_text(facts.parity)
    if stored.total:
        replayed = (
            f"{stored.rows} of the {stored.total} evaluated test predictions were computed again with every exported "
            f"file, each by the member of its test fold; the largest difference between probabilities is "
            f"{max(stored.differences.values()):.1e} (allowed: {facts.parity.tolerance:g}). {_other_device(facts)}"
        )
    digests = "`bundle.json` contains each comparison and the SHA-256 of every file, which is verified before loading."
    text = f"{replayed}{parity_text(facts.parity)} {digests}"
    return f"## Verification of the exported files\n\n{text}"


def _other_device(facts: BundleFacts) -> str:
    stored = facts.parity.stored
    if not stored.elsewhere:
        return ""
    return (
        f"{stored.elsewhere} of them were originally computed on another device, with differences of up to "
        f"{stored.elsewhere_difference:.1e} from this CPU; for these the files were compared with PyTorch on the CPU. "
    )


def ensemble_text(members: int) -> str:
    """What the members are together."""
    return "single model" if members == 1 else f"mean of {members} members"


def estimate_text(estimate: EstimateFacts | None) -> str:
    """A metric with its interval, or why it is undefined."""
    if estimate is None or estimate.value is None:
        return f"undefined: {estimate.reason}" if estimate else "undefined"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
