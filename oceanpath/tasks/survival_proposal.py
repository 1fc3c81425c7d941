"""Proposes survival targets: pairs of a column of times and a column of events."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.artifacts.cohort.checks import FOR_MISSING
from oceanpath.tasks.numbers import is_number
from oceanpath.tasks.proposals import Columns, TargetProposal, words_of

NAME = "survival"
UNITS = ("months", "days", "years", "weeks")
TIME_WORDS = frozenset({"time", "survival", "os", "pfs", "dfs", "dss", "pfi", "rfs", "followup", *UNITS})
CENSORING_WORDS = frozenset({"censored", "censorship", "censor", "censoring"})
EVENT_WORDS = frozenset(
    {"event", "status", "vital", "dead", "death", "deceased", "os", "pfs", "dfs", "dss", "pfi", "rfs"}
)
HAPPENED = ("1", "1.0", "true", "yes", "dead", "deceased", "death", "event", "relapse", "progression", "1:deceased")
CENSORED = ("0", "0.0", "false", "no")
"""Values of a column of censoring that mean the event happened."""
TWO = 2
"""Different values of a column of events."""
SPECIFIC = frozenset({"os", "pfs", "dfs", "dss", "pfi", "rfs"})
"""Words of both columns that name the event."""


def propose_survival(columns: Columns, wanted: str = "") -> list[TargetProposal]:
    """A proposal for each column of times with the column of events that has the same specific words."""
    times = {name: cells for name, cells in columns.items() if _is_time(name, cells, wanted)}
    events = {name: value for name, cells in columns.items() if (value := _event_value(name, cells))}
    pairs = [(time, event) for time in times for event in events if _kind(time) == _kind(event) and time != event]
    unique = [(time, event) for time, event in pairs if sum(each == time for each, _ in pairs) == 1 or event == wanted]
    return [_proposal(columns, time, event, events[event]) for time, event in unique]


def _proposal(columns: Columns, time: str, event: str, value: str) -> TargetProposal:
    groups = [_group(*row, value) for row in zip(columns[time], columns[event], strict=True)]
    counts = [sum(group == name for group in groups) for name in ("event", "censored")]
    unit = next((word for word in words_of(time) if word in UNITS), "")
    keys = {"time": time, "event": event, "event_value": value} | ({"time_unit": unit} if unit else {})
    stated = f"{event} = {value}"
    return TargetProposal(
        task=NAME,
        columns=(time, event),
        keys=keys,
        summary=f"survival, {counts[0]} events ({stated}) and {counts[1]} censored" + (f", {unit}" if unit else ""),
        groups=groups,
        rank=2 if _kind(time) else 1,
        comments={"event_value": "this value means that the event happened: change it if it means censoring"},
    )


def _is_time(name: str, cells: Sequence[str], wanted: str) -> bool:
    filled = [cell for cell in cells if cell and cell.casefold() not in FOR_MISSING]
    numbers = bool(filled) and all(is_number(cell) and float(cell) >= 0 for cell in filled)
    named = name == wanted or bool(TIME_WORDS.intersection(words_of(name)))
    return numbers and named and len(set(filled)) > TWO


def _event_value(name: str, cells: Sequence[str]) -> str:
    """The value that means that the event happened; "" if the column is not one of events."""
    words = set(words_of(name))
    values = {cell for cell in cells if cell and cell.casefold() not in FOR_MISSING}
    known = CENSORED if words & CENSORING_WORDS else HAPPENED if words & EVENT_WORDS else ()
    happened = [value for value in values if value.casefold() in known]
    return happened[0] if len(values) == TWO and len(happened) == 1 else ""


def _kind(name: str) -> frozenset[str]:
    """The words of a column that name its event, such as dss for disease-specific survival."""
    return SPECIFIC.intersection(words_of(name))


def _group(time: str, event: str, value: str) -> str:
    if not (is_number(time) and float(time) > 0) or not event or event.casefold() in FOR_MISSING:
        return ""
    return "event" if event == value else "censored"
