"""Progress of a run: bars on a terminal, otherwise lines on stderr, or events on stdout with --json."""

from __future__ import annotations

import json
import sys
import time
from typing import Protocol, TextIO

from oceanpath.cli.steps import Pace, Steps, outcome, span
from oceanpath.pipeline.plan import Step
from oceanpath.pipeline.runner import Screen
from oceanpath.pipeline.stage import Progress, Quiet
from oceanpath.pipeline.status import StepState

EVERY_SECONDS = 10.0
"""Minimum time between two lines of progress of one step."""


class TerminalScreen(Screen, Protocol):
    """A screen that can be closed."""

    def close(self) -> None:
        """End drawing."""


def make_screen(steps: Steps, *, quiet: bool, as_json: bool) -> TerminalScreen:
    """The screen for these options and this type of stderr."""
    if as_json:
        return Events(sys.stdout)
    if quiet:
        return NoScreen()
    if sys.stderr.isatty():
        from oceanpath.cli.live import Live  # imports rich when it first draws

        return Live(steps)
    return Lines(sys.stderr, steps)


class NoScreen:
    """Draws nothing."""

    def begin(self, _step: Step, _why: list[str]) -> Progress:
        """Draw nothing."""
        return Quiet()

    def end(self, _state: StepState) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Nothing to close."""


class Events:
    """One JSON object per line: ``{"event": "start" | "end", "step", ...}``."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def begin(self, step: Step, why: list[str]) -> Progress:
        """A step starts."""
        self._print({"event": "start", "step": step.name, "why": why})
        return Quiet()

    def end(self, state: StepState) -> None:
        """A step has ended, or was fresh."""
        error = state.error.render() if state.error else None
        self._print({"event": "end", **facts(state), "seconds": state.seconds, "error": error})

    def close(self) -> None:
        """Nothing to close."""

    def _print(self, event: dict[str, object]) -> None:
        print(json.dumps(event), file=self.stream, flush=True)


def facts(state: StepState) -> dict[str, object]:
    """A step as one JSON object."""
    event: dict[str, object] = {"step": state.step.name, "stage": state.step.stage.name}
    event |= {"fingerprint": state.fingerprint or None, "state": state.state, "why": state.why}
    if state.manifest is not None:
        event["metrics"] = dict(state.manifest.summary["metrics"])
    return event


class Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, stream: TextIO, steps: Steps) -> None:
        self.stream, self.steps = stream, steps

    def begin(self, step: Step, why: list[str]) -> Progress:
        """Print that a step starts and why."""
        self.print(f"{self.steps.label(step)}: {'; '.join(why)}")
        return _LineProgress(self, step, self.steps.begin(step))

    def end(self, state: StepState) -> None:
        """Print the outcome of a step."""
        self.steps.end(state.step)
        for line in outcome(state, self.steps):
            self.print(line)

    def close(self) -> None:
        """Nothing to close."""

    def print(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)


class _LineProgress:
    """A line every few seconds."""

    def __init__(self, lines: Lines, step: Step, pace: Pace) -> None:
        self.lines, self.label, self.pace = lines, lines.steps.label(step), pace
        self.start(0, "")

    def start(self, total: int, unit: str) -> None:
        self.total, self.count, self.unit, self.last = total, 0, unit, time.monotonic()
        self.pace.start(total)

    def advance(self, count: int = 1) -> None:
        self.count += count
        self._at(self.count, "")

    def inside(self, done: float, pace: str) -> None:
        self._at(done, pace)

    def phase(self, text: str) -> None:
        self.note(text)

    def note(self, text: str) -> None:
        self.lines.print(f"{self.label}: {text}")

    def _at(self, done: float, detail: str) -> None:
        self.pace.done(done)
        if time.monotonic() - self.last < EVERY_SECONDS:
            return
        self.last = time.monotonic()
        counted = f"{self.count}/{self.total} {self.unit}" if self.total else ""
        self.note(", ".join(filter(None, (counted, detail, self._left()))))

    def _left(self) -> str:
        left, total = self.pace.left(), self.lines.steps.left()
        if not left:
            return ""
        return f"about {span(left)} left" + (f" ({total} in total)" if total else "")
