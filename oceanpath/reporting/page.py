"""Renders pages with Jinja2. Values are escaped, pages request nothing and contain no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oceanpath.reporting.documents import ANALYSIS, Documents
from oceanpath.reporting.pictures import embed
from oceanpath.reporting.sections import page_context

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


class Figure(NamedTuple):
    """A figure of the page."""

    source: str
    """Data URI."""
    alt: str
    caption: str


FIGURES = {
    "performance": {
        "roc.png": ("ROC curve", "Sensitivity against 1 minus specificity, with the band of the model."),
        "pr.png": ("Precision-recall curve", "Precision against recall; the dashed line is the prevalence."),
        "kaplan_meier.png": (
            "Kaplan-Meier curves",
            "Survival of the high and the low risk group.",
        ),
        "brier.png": ("Brier score over time", "Prediction error at each horizon; lower is better."),
        "agreement.png": ("Predictions against labels", "Each point is a slide; the line is perfect agreement."),
    },
    "distribution": {
        "probabilities.png": (
            "Predicted probabilities by true class",
            "Where classes overlap, errors occur.",
        ),
    },
    "calibration": {
        "calibration.png": (
            "Calibration",
            "Observed frequency against probability; the diagonal is perfect.",
        ),
    },
    "decisions": {
        "decision_curve.png": (
            "Decision curve",
            "Net benefit against the threshold probability, compared with treating all patients and none.",
        ),
    },
    "confusion": {"confusion.png": ("Confusion table", "Slides by true and by predicted class.")},
    "training": {"learning.png": ("Learning curves", "Training and validation loss of every fold.")},
}
"""Section → figure of eval → title and caption."""


def experiment_page(documents: Documents) -> str:
    """The report of an experiment as HTML. Raises: LookupError: there is no evaluation."""
    context = page_context(documents)
    evaluation, analysis = documents.folders["eval"], documents.folders.get("analyze")
    figures = {
        section: [
            Figure(source, f"{title} of {documents.name}. {context['headline'][0]}", f"{title}. {caption}")
            for name, (title, caption) in files.items()
            if (source := embed(evaluation / name))
        ]
        for section, files in FIGURES.items()
    }
    figures["attention"] = [] if analysis is None else _attention(documents, analysis)
    return render("report.html", {**context, "figures": figures})


def _attention(documents: Documents, folder: Path) -> list[Figure]:
    """Attention maps of wrong and right cases."""
    return [
        Figure(
            source, f"Attention map of slide {case['slide_id']}, {_case(case)}", f"{case['slide_id']}: {_case(case)}"
        )
        for case in documents.get(f"{ANALYSIS}#attention", ())
        if (source := embed(folder / case["picture"]))
    ]


def _case(case: Mapping[str, Any]) -> str:
    right = "wrong" if case["kind"] == "error" else "correct"
    decided = f", called {case['decided']}" if case.get("decided") is not None else ""
    return f"{right}; labelled {case['label']}{decided}, fold {case['fold']}"


def render(template: str, context: Mapping[str, Any]) -> str:
    """A page from a template of this package."""
    return _environment().get_template(template).render(style=_style(), **context)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # needed only to render

    return Environment(
        loader=FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")
