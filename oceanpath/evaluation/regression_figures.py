"""The figure of regression: predicted numbers against labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.figures.agreement import draw_agreement
from oceanpath.tasks.evaluation import Floats

PICTURES = ("agreement.png",)


def draw_figures(
    settings: IntervalOptions,  # noqa: ARG001  # the figure has no intervals
    rows: ReportedRows,
    baselines: Mapping[str, Floats],  # noqa: ARG001  # the figure shows the model only
    report: Mapping[str, Any],
    out: Path,
) -> None:
    """Draw `PICTURES` below `out`; the arguments are those of `figures.draw_all`."""
    own = report["level"][rows.unit]
    values = {name: own[name]["value"] for name in ("r2", "mae")}
    known = [
        f"{text} {value:.3g}" for text, value in zip(("R²", "MAE"), values.values(), strict=True) if value is not None
    ]
    title = f"{rows.title} (selected)" if rows.selected else rows.title
    draw_agreement(out / PICTURES[0], rows.targets, rows.values[:, 0], (title, ", ".join(known)))
