"""Survival times as text and as numbers.

In tables a label is the time of the event, or the time of censoring followed by a plus sign, as survival times are
usually printed: ``14.2`` and ``60.5+``. As a number a censored time is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import ExperimentError, OceanPathError, shorten_list
from oceanpath.tasks.class_labels import as_class
from oceanpath.tasks.numbers import advice, is_number, rows_of_text

CENSORED = "+"
ZERO = "0"
"""Label of a slide with a time of zero."""
Floats = NDArray[np.float64]


class EventColumns(NamedTuple):
    """The columns of times and events, and the value that means that the event happened."""

    time: str
    event: str
    event_value: str
    drops_zero: bool
    """Whether slides with a time of zero are left out; otherwise they are an error."""
    needs_both: bool = True
    """Whether there must be events and censored times, as for training."""


def signed_times(labels: Sequence[str]) -> Floats:
    """Times [n] of labels, negative where they are censored."""
    return np.asarray(
        [-float(label[:-1]) if label.endswith(CENSORED) else float(label) for label in labels], np.float64
    )


def times_and_events(signed: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Times [n] and whether the event was observed [n]."""
    wide = np.asarray(signed, np.float64)
    return np.abs(wide), wide > 0


def is_label(label: str) -> bool:
    """Whether a label is a time above zero."""
    text = label.removesuffix(CENSORED)
    return is_number(text) and float(text) > 0


def read_labels(cells: LabelCells, columns: EventColumns) -> tuple[list[str], list[OceanPathError]]:
    """The labels of the rows of a table, and its problems; a row without a time or an event has no label."""
    times, events = cells.columns["time"], cells.columns["event"]
    happened = [as_class(cell, [columns.event_value]) == columns.event_value for cell in events]
    labels = [_label(*row) for row in zip(times, events, happened, strict=True)]
    problems = [*_time_problems(cells, columns), *_event_problems(cells, columns, happened)]
    return labels, problems


def _label(time: str, event: str, happened: bool) -> str:
    if not time or not event:
        return ""
    if is_number(time) and float(time) == 0:
        return ZERO
    return time if happened else time + CENSORED


def _time_problems(cells: LabelCells, columns: EventColumns) -> list[OceanPathError]:
    """Times that are not numbers, negative, or zero."""
    times, where = cells.columns["time"], f"{cells.path} column {columns.time}"
    text = rows_of_text(times)
    numbers = {row: float(cell) for row, cell in enumerate(times) if is_number(cell)}
    negative = [row for row, time in numbers.items() if time < 0]
    zero = [row for row, time in numbers.items() if time == 0]
    found = [
        ("times are not numbers", text, advice([times[row] for row in text])),
        ("times are negative", negative, "Correct the dates from which they were computed."),
    ]
    if not columns.drops_zero:
        do = 'Correct them, or set data.zero_time = "drop" to leave these slides out.'
        found.append(("times are zero, so nothing was observed", zero, do))
    return [
        ExperimentError(what, where=where, got=f"{times[rows[0]]!r} in {cells.place(rows)}", do=do)
        for what, rows, do in found
        if rows
    ]


def _event_problems(cells: LabelCells, columns: EventColumns, happened: Sequence[bool]) -> list[OceanPathError]:
    """An event column that does not have exactly two values, or lacks `event_value`."""
    events, where = cells.columns["event"], f"{cells.path} column {columns.event}"
    counts = {value: events.count(value) for value in sorted({cell for cell in events if cell})}
    got = shorten_list([f"{value!r} ({count})" for value, count in counts.items()], 6)
    others = {value for value, own in zip(events, happened, strict=True) if value and not own}
    if not columns.needs_both and len(others) <= 1:
        return []
    if not any(happened):
        what, do = (
            "no row has data.event_value",
            "Set data.event_value to the value which means that the event happened.",
        )
    elif not others:
        what, do = (
            "the event column has one value",
            "Name the column that states events and censored times with data.event.",
        )
    elif len(others) > 1:
        what = "the event column has more than two values"
        do = "Use one value for events and one for censored times; leave the cell empty if it is unknown."
    else:
        return []
    return [ExperimentError(what, where=where, expected=f"{columns.event_value!r} and one other value", got=got, do=do)]
