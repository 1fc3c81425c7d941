"""MODEL_CARD.md of a model that predicts values: survival, a number, several labels."""

from __future__ import annotations

from oceanpath.artifacts.bundle.facts import Contract, EstimateFacts
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.stages.export.card import BASELINES, LIMITS, ensemble_text, estimate_text, tested_on
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
    use_text,
)
from oceanpath.tasks.base import Task


def render_value_card(facts: ValueFacts, task: Task) -> str:
    """The whole card as Markdown."""
    parts = [
        f"# {facts.name}",
        f"**{facts.notice}**",
        _overview(facts),
        _outputs(facts),
        "## Usage\n\n" + use_text(facts.contract).replace("a table of probabilities", "a table of these values"),
        _performance(facts, task),
        *([_external(facts, task)] if facts.external else []),
        "## Limitations\n\n" + LIMITS.format(cohorts=tested_on(facts)),
        _parity(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _overview(facts: ValueFacts) -> str:
    contract, cohort = facts.contract, facts.cohort
    groups = ", ".join(f"{count} {name}" for name, count in cohort.slides_per_class.items())
    rows = [
        ("Task", str(facts.task["task"])),
        ("Model", f"{ensemble_text(len(facts.members))} ({facts.model['name']})"),
        *final_rows(facts.final),
        *input_rows(contract),
        ("Coordinates", COORDS[contract.coords]),
        ("Patches used", cap_text(contract)),
        ("Encoder", contract.encoder or "not recorded"),
        ("Patch size, resolution", geometry_text(contract)),
        ("Trained on", f"{cohort.slides} slides of {cohort.patients} patients ({groups})"),
        patches_row(cohort, contract),
    ]
    return "## Overview\n\n" + markdown_table(("", ""), rows)


def _outputs(facts: ValueFacts) -> str:
    """Meaning and unit of every value, and the decisions."""
    table = markdown_table(
        ("Column", "Meaning", "Unit"), [(each.name, each.meaning, each.unit) for each in facts.columns]
    )
    lines = [
        f"Decision: {each.above} if {each.column} is at least {each.value:.6g}, otherwise {each.below}; {each.reason}."
        if each.value is not None
        else f"Decision by {each.column}: none, because {each.reason}."
        for each in facts.decisions
    ]
    text = "Each value is the mean over the members. The attention of every patch is another output."
    return "\n\n".join(["## Output", text, table, *lines])


def _performance(facts: ValueFacts, task: Task) -> str:
    performance = facts.performance
    note = " (selected: these slides were also used for selection)" if performance.selected else ""
    baselines = [
        (BASELINES.get(key) or task.titles.get(key, key), estimate_text(value))
        for key, value in performance.baselines.items()
    ]
    intervals = "Confidence intervals take patients as the independent units."
    return "\n\n".join(
        [
            f"## Performance{note}",
            f"{performance.meaning} {intervals}",
            _levels(performance.slide, performance.patient, task, facts.contract),
            *_decisions(performance.decisions, facts.contract),
            markdown_table(("Baseline", f"{level_title(facts.contract)} {task.main_title}"), baselines),
        ]
    )


def _levels(slide: dict[str, EstimateFacts], patient: dict[str, EstimateFacts], task: Task, contract: Contract) -> str:
    rows = [
        (task.titles.get(key, key), estimate_text(value), estimate_text(patient.get(key)))
        for key, value in slide.items()
    ]
    return level_table(rows, contract)


def _decisions(decisions: dict[str, EstimateFacts], contract: Contract) -> list[str]:
    """Metrics of decisions about labels, if there are any."""
    names = {name: name.partition("_") for name in decisions}
    rows = [(f"{names[name][0].capitalize()}, {names[name][2]}", estimate_text(decisions[name])) for name in names]
    head = ("Decision, label", f"{level_title(contract).replace('-', ' ')}, each at the threshold of its member")
    return [markdown_table(head, rows)] if rows else []


def _external(facts: ValueFacts, task: Task) -> str:
    """The section on external cohorts."""
    parts = [
        "## External cohorts",
        "The model in this bundle was evaluated on cohorts without patients of the training cohort, with the values "
        "and the decisions that it serves.",
    ]
    for cohort in facts.external:
        groups = ", ".join(f"{count} {name}" for name, count in cohort.slides_per_class.items())
        counts = f"{cohort.slides} slides of {cohort.patients} patients ({groups})"
        parts += [f"### {cohort.name}", counts, _levels(cohort.slide, cohort.patient, task, facts.contract)]
    return "\n\n".join(parts)


def _parity(facts: ValueFacts) -> str:
    parity, stored = facts.parity, facts.parity.stored
    replayed = cohort_parity_text(parity) or (
        f"{stored.rows} of the {stored.total} evaluated test predictions were computed again with every exported file, "
        "each by the member of its test fold; the largest difference of a value, relative to values above 1, is "
        f"{max(stored.differences.values()):.1e} (allowed: {parity.tolerance:g}). "
    )
    return f"## Verification of the exported files\n\n{replayed}{parity_text(parity)}"
