"""What a reader must know before believing a number of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping

from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stats.paired import PairedDifference
from oceanpath.stats.resample import Bootstrap
from oceanpath.stats.within_folds import NAME


def notes(
    rows: ReportedRows, model: Bootstrap, versus: Mapping[str, PairedDifference], folds: PairedDifference, conflict: str
) -> list[str]:
    """One text per note; each starts with the name of what it is about.

    Args:
        rows: The test rows.
        model: The metrics of the slides.
        versus: Baseline → AUROC of the model minus that of the baseline.
        folds: Pooled AUROC minus AUROC within the folds.
        conflict: Why there is no patient level, or "".
    """
    found = []
    if rows.selected:
        found.append("selected: the reported rows also chose something, so every number is optimistic")
    if conflict:
        found.append(f"conflicting_patient_labels: {conflict}")
    value = model.values["auroc"]
    found += [_below(name, value, difference) for name, difference in versus.items() if difference.verdict != "better"]
    if folds.verdict in ("better", "worse"):
        found.append(_scales(model, folds))
    if absent := [name for i, name in enumerate(rows.classes) if i not in rows.labels]:
        found.append(f"absent_classes: no test row of {', '.join(absent)}; means leave them out")
    return found


def _below(name: str, value: float | None, difference: PairedDifference) -> str:
    if value is None or difference.value is None or difference.verdict == "undetermined":
        return f"not_compared_with_baseline: {name}: {difference.reason}"
    words = f"AUROC {value:.3f} against {value - difference.value:.3f}, difference {_signed(difference)}"
    if difference.verdict == "worse":
        return f"worse_than_floor: {name}: {words}"
    return f"not_shown_better_than_baseline: {name}: {words}; the interval includes 0"


def _scales(model: Bootstrap, folds: PairedDifference) -> str:
    pooled, within = model.values["auroc"], model.values[NAME]
    return (
        f"fold_scales_differ: pooled AUROC {pooled:.3f}, within folds {within:.3f}, difference {_signed(folds)}; the "
        f"models of the folds score on different scales, so read {NAME}"
    )


def _signed(difference: PairedDifference) -> str:
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
