"""One result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The verdict of a check."""

    OK = "ok"
    ABSENT = "absent"
    """Not there, and only needed for some purposes."""
    MISSING = "missing"
    """Needed, by OceanPath itself or by the experiment."""


@dataclass(frozen=True)
class Finding:
    """One result of a check."""

    group: str
    """installation, machine, workspace, access or experiment."""
    subject: str
    state: State
    text: str
    do: str = ""
    """What to do, as a command if there is one."""
