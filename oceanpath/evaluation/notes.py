"""Notes for readers of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping

from oceanpath.artifacts.bag_unit import NO_SLIDES, PATIENT
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.paired import PairedDifference
from oceanpath.stats.resample import Bootstrap
from oceanpath.tasks.base import Task


def notes(
    rows: ReportedRows,
    model: Bootstrap,
    versus: Mapping[str, PairedDifference],
    folds: PairedDifference | None,
    conflict: str,
) -> list[str]:
    """One text per note; each starts with the name of its subject.

    Args:
        rows: The test rows.
        model: The metrics of the slides.
        versus: Baseline → main metric of the model minus that of the baseline.
        folds: Pooled main metric minus that within the folds; None if there is no such metric.
        conflict: Why there is no patient level, or "".
    """
    texts = []
    if rows.selected:
        texts.append("selected: the reported rows were also used for selection, so every number is optimistic")
    if seen := rows.results.get("seen_in_pretraining"):
        texts.append(f"seen_in_pretraining: {seen} tested patients were used for pretraining, so no number is unbiased")
    if conflict:
        texts.append(f"conflicting_patient_labels: {conflict}")
    if rows.unit == PATIENT:
        texts.append(f"patient_bags: {NO_SLIDES}; every row is a patient, with the patches of all its slides together")
    texts += _repeats(rows)
    value = model.values[rows.task.main_metric]
    below = [(name, difference) for name, difference in versus.items() if difference.verdict != "better"]
    texts += [_below(rows.task, name, value, difference) for name, difference in below]
    if folds is not None and folds.verdict in ("better", "worse"):
        texts.append(_scales(rows.task, model, folds))
    return texts + rows.task.notes(rows.targets)


def _repeats(rows: ReportedRows) -> list[str]:
    """How the predictions of several models per slide are combined."""
    texts, plan = [], rows.plan
    if plan.has_ensembles:
        sizes = sorted({len(plan.members(number)) for number in plan.ensembles})
        count = " or ".join(map(str, sizes))
        texts.append(f"ensembles: each test slide has the mean prediction of {count} models, and their mean threshold")
    if plan.n_repeats > 1 and len(plan.seed_list) == 1:
        texts.append(
            f"repeats: metrics are means over {plan.n_repeats} repeats of the test; patients are resampled jointly in "
            "all repeats; decisions at thresholds are counted over all repeats together"
        )
    elif plan.n_repeats > 1:
        texts.append(
            f"seeds: metrics are means over {plan.repeats_text} ({', '.join(map(str, plan.seed_list))}), those of one "
            "training; patients are resampled jointly in all of them; decisions at thresholds are counted over all of "
            "them together"
        )
    return texts


def _below(task: Task, name: str, value: float | None, difference: PairedDifference) -> str:
    if value is None or difference.value is None or difference.verdict == "undetermined":
        return f"not_compared_with_baseline: {name}: {difference.reason}"
    text = f"{task.main_title} {value:.3f} against {value - difference.value:.3f}, difference {_signed(difference)}"
    if difference.verdict == "worse":
        return f"worse_than_floor: {name}: {text}"
    return f"not_shown_better_than_baseline: {name}: {text}; the interval includes 0"


def _scales(task: Task, model: Bootstrap, folds: PairedDifference) -> str:
    pooled, within = model.values[task.main_metric], model.values[task.within_folds]
    return (
        f"fold_scales_differ: pooled {task.main_title} {pooled:.3f}, within folds {within:.3f}, difference "
        f"{_signed(folds)}; the models of the folds score on different scales, so prefer {task.within_folds}"
    )


def _signed(difference: PairedDifference) -> str:
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
