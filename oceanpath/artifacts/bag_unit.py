"""What a bag, and so a prediction, is of: a slide or a patient (`data.bag`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLIDE, PATIENT = "slide", "patient"
"""Values of `data.bag`, and of the key "bag" of splits.json, cv_results.json and metrics.json, which have none for
slides."""
NO_SLIDES = "bags are patients (data.bag), so there is no prediction of a slide"
"""Why there are no metrics of slides."""


def unit_of(record: Mapping[str, Any]) -> str:
    """The unit of a splits.json, cv_results.json or metrics.json."""
    return str(record.get("bag", SLIDE))


def levels_of(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """The levels that a metrics.json has; the first is that of its predictions."""
    return (PATIENT,) if unit_of(metrics) == PATIENT else (SLIDE, PATIENT)
