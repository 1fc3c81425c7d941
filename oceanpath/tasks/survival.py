"""Survival: the time to an event that may be censored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import ArtifactError, ExperimentError, OceanPathError, StageError
from oceanpath.stats.survival.concordance import default_tau, harrell
from oceanpath.stats.survival.kaplan_meier import kaplan_meier
from oceanpath.tasks.base import Strata, Task
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.survival_evaluation import SurvivalEvaluation
from oceanpath.tasks.survival_labels import ZERO, EventColumns, is_label, read_labels, signed_times, times_and_events

SMALLEST_GROUP = 40
"""Slides with an event, or censored ones, from which they are divided into early and late."""
HORIZONS = 9
"""Number of times at which survival is predicted if `data.horizons` does not state them."""


class Survival(SurvivalEvaluation, Task):
    """Targets are times, negative where they are censored; values are a risk and survival at the horizons."""

    name = "survival"
    stratum = "group"
    merge = "use more patients"
    unusable = "with a time that is not valid"

    def __init__(self, unit: str, horizons: Sequence[float] = (), columns: EventColumns | None = None) -> None:
        super().__init__(unit, horizons)
        self._columns = columns

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The columns, the unit and the horizons of `[data]`."""
        time, event, value = (str(settings[key]) for key in ("time", "event", "event_value"))
        columns = EventColumns(time, event, value, drops_zero=settings.get("zero_time") == "drop")
        return cls(str(settings["time_unit"]), settings.get("horizons", ()), columns)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:
        """The unit and the horizons of a published file. Raises: ArtifactError: they are missing."""
        if not isinstance(record.get("horizons"), list) or not isinstance(record.get("time_unit"), str):
            raise ArtifactError("the horizons of survival are missing", where=where, expected="horizons, time_unit")
        return cls(record["time_unit"], record["horizons"])

    def record(self) -> dict[str, Any]:
        """The task, the unit of time and the horizons."""
        return {"task": self.name, "time_unit": self.unit, "horizons": self.horizons.tolist()}

    def of_external_cohort(self) -> Self:
        """The same task for a table in which all slides may have an event, or none."""
        columns = None if self._columns is None else self._columns._replace(needs_both=False)
        return type(self)(self.unit, self.horizons.tolist(), columns)

    def label_columns(self, label: str) -> dict[str, str]:  # noqa: ARG002  # survival has two columns of its own
        """The columns of times and events."""
        assert self._columns is not None, "a table is read with the settings of the experiment"
        return {"time": self._columns.time, "event": self._columns.event}

    def read_labels(self, cells: LabelCells) -> tuple[list[str], list[OceanPathError]]:
        """Times, with a plus sign where they are censored."""
        assert self._columns is not None, "a table is read with the settings of the experiment"
        return read_labels(cells, self._columns)

    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:  # noqa: ARG002  # `read_labels` reports them
        """None: `read_labels` reports them with their lines."""
        return []

    def is_valid(self, label: str) -> bool:
        """Whether a label is a time above zero."""
        return is_label(label)

    def left_out(self, label: str) -> str:
        """Slides with a time of zero, if `data.zero_time` leaves them out."""
        return "with a time of zero (data.zero_time)" if label == ZERO else ""

    def targets(self, labels: Sequence[str]) -> Floats:
        """Times [n], negative where they are censored."""
        return signed_times(labels)

    def strata(self, labels: Sequence[str]) -> Strata:
        """Slides with an event and censored ones, each divided at its median time if there are enough."""
        time, event = times_and_events(self.targets(labels))
        names, rows = list[str](), np.zeros(len(time), np.int64)
        for text, own in (("event", event), ("censored", ~event)):
            if not own.any():
                continue
            late = own & (time > np.median(time[own])) if own.sum() >= SMALLEST_GROUP else np.zeros_like(own)
            rows[own] = len(names)
            names += [f"{text}, early" if late.any() else text]
            if late.any():
                rows[late] = len(names)
                names += [f"{text}, late"]
        return Strata(tuple(names), rows)

    def cohort_notes(self, labels: Sequence[str]) -> list[str]:
        """Numbers of events and censored slides, and the median survival."""
        time, event = times_and_events(self.targets(labels))
        median = kaplan_meier(time, event).median()
        text = "not reached" if median is None else f"{median:g} {self.unit}"
        largest = f"longest time {time.max():g} {self.unit}"
        return [f"survival: {event.sum()} slides with an event, {(~event).sum()} censored; median {text}; {largest}"]

    def for_cohort(self, labels: Sequence[str]) -> Self:
        """With horizons: those of `data.horizons`, or deciles of the times of events with 10 % of the slides at risk.

        Raises: ExperimentError: a horizon is not within the observed times.
        """
        time, event = times_and_events(self.targets(labels))
        last = default_tau(kaplan_meier(time, event))
        if len(self.horizons):
            if self.horizons[-1] >= time.max() or self.horizons[0] < time[event].min():
                expected = f"between {time[event].min():g}, the first event, and {time.max():g}, the last time"
                got = ", ".join(f"{at:g}" for at in self.horizons)
                raise ExperimentError("a horizon is not observed", where="[data] horizons", expected=expected, got=got)
            return self
        shares = np.linspace(0, 1, HORIZONS + 2)[1:-1]
        quantiles = np.quantile(time[event & (time <= last)], shares)
        return type(self)(self.unit, sorted({float(f"{at:.4g}") for at in quantiles}), self._columns)

    def validate_training(self, targets: Floats, where: str) -> None:
        """Raise StageError unless there are two events and a later time."""
        time, event = times_and_events(targets)
        if event.sum() < 2:
            do = "Use fewer folds, or more slides with an event."
            raise StageError("fewer than two training slides have an event", where=where, got=int(event.sum()), do=do)
        if not (time > time[event].min()).any():
            raise StageError("no training slide was observed after the first event", where=where)

    def validate_predictions(self, frame: pd.DataFrame, where: object) -> None:
        """Raise ArtifactError unless labels are times, and survival decreases from at most 1 to at least 0."""
        super().validate_predictions(frame, where)
        survival = self.values(frame)[:, 1:]
        steps = np.diff(np.c_[np.ones(len(survival)), survival, np.zeros(len(survival))], axis=1)
        if bad := int((steps > 1e-6).any(axis=1).sum()):
            raise ArtifactError("survival is not between 0 and 1, or increases", where=where, got=f"{bad} rows")

    def validation_scores(self, values: Floats, targets: Floats) -> dict[str, float | None]:
        """The C-index of Harrell; the loss is that of the objective."""
        time, event = times_and_events(targets)
        return {"val_c_index": harrell(time, event, values[:, 0]).value}

    def selection_key(self, monitor: str, scores: Mapping[str, float | None]) -> tuple[float, ...]:
        """The loss, or the C-index and then the loss."""
        loss = float(scores["val_loss"] if scores["val_loss"] is not None else np.nan)
        if monitor == "val_loss":
            return (loss,)
        if (index := scores["val_c_index"]) is None:
            raise StageError(
                "no pair of validation rows is comparable", expected=monitor, do="Set train.monitor=val_loss."
            )
        return -index, loss

    def decision_facts(self, values: Floats, targets: Floats) -> dict[str, Any]:  # noqa: ARG002  # a median of risks
        """The median risk of the validation rows, which divides test rows into two groups."""
        return {"risk_threshold": float(np.median(values[:, 0]))}
