"""Bags of patients (`data.bag`): the conditions under which the slides of a patient can be one bag."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.strategies.base import Fold

WHERE = "[data] bag"
SHOWN = 10


def check_bags(patients: Patients, folds: Sequence[Fold]) -> None:
    """Raise ExperimentError if slides of a patient have different labels, or a fold has only some of them."""
    labels = patients.slides.groupby("patient_id")["label"].agg(lambda cells: sorted(set(cells)))
    if differing := [f"{name} ({' and '.join(own)})" for name, own in labels.items() if len(own) > 1]:
        what = "slides of one patient have different labels, and a bag of a patient has one"
        do = 'Correct the label table, leave out these patients, or set data.bag = "slide".'
        raise _error(what, differing, len(labels), do)
    kept = [fold.slides for fold in folds if fold.slides is not None]
    divided = {name for slides in kept for name in _divided(patients.slides, slides)}
    if divided:
        what = "the split file leaves out some slides of a patient, whose bag has all of them"
        do = "List all slides of a patient, or leave all of them out of the label table."
        raise _error(what, sorted(divided), len(labels), do)


def _divided(slides: pd.DataFrame, kept: frozenset[str]) -> list[str]:
    """The patients of whose slides some are kept."""
    shares = slides["slide_id"].isin(kept).groupby(slides["patient_id"]).mean()
    return [str(name) for name in shares.index[(shares > 0) & (shares < 1)]]


def _error(what: str, names: Sequence[str], patients: int, do: str) -> ExperimentError:
    got = f"{len(names)} of {patients} patients: {shorten_list(names, SHOWN)}"
    return ExperimentError(what, where=WHERE, got=got, do=do)
