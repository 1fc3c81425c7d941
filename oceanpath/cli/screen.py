"""Drawing a run: live bars on a terminal, plain lines elsewhere; progress on stderr, results on stdout."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

from oceanpath.pipeline.plan import Step
from oceanpath.pipeline.runner import Screen
from oceanpath.pipeline.stage import Progress, Quiet
from oceanpath.pipeline.survey import State

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

EVERY_SECONDS = 10.0


class Drawn(Screen, Protocol):
    """A screen that can be put away."""

    def close(self) -> None:
        """Nothing more will be drawn."""


def make_screen(*, quiet: bool, as_json: bool) -> Drawn:
    """The screen that was asked for, or the one that fits where stderr goes."""
    if as_json:
        return Events(sys.stdout)
    if quiet:
        return Silence()
    return Live() if sys.stderr.isatty() else Lines(sys.stderr)


class Silence:
    """Draws nothing."""

    def begin(self, _step: Step, _why: list[str]) -> Progress:
        """Draw nothing."""
        return Quiet()

    def end(self, _state: State) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """Nothing to put away."""


class Events:
    """One JSON object a line, for machines: ``{"event": "start" | "end", "step", ...}``."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def begin(self, step: Step, why: list[str]) -> Progress:
        """A step starts."""
        self._say({"event": "start", "step": step.name, "why": why})
        return Quiet()

    def end(self, state: State) -> None:
        """A step is over, or was fresh."""
        error = state.error.render() if state.error else None
        self._say({"event": "end", **facts(state), "seconds": state.seconds, "error": error})

    def close(self) -> None:
        """Nothing to put away."""

    def _say(self, event: dict[str, object]) -> None:
        print(json.dumps(event), file=self.stream, flush=True)


def facts(state: State) -> dict[str, object]:
    """A step as one JSON object."""
    said: dict[str, object] = {"step": state.step.name, "stage": state.step.stage.name}
    said |= {"fingerprint": state.fingerprint or None, "state": state.state, "why": state.why}
    if state.manifest is not None:
        said["metrics"] = dict(state.manifest.summary["metrics"])
    return said


class Lines:
    """Plain lines, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def begin(self, step: Step, why: list[str]) -> Progress:
        """Say that a step starts and why."""
        self._say(f"{step.name}: {'; '.join(why)}")
        return _LineProgress(self, step.name)

    def end(self, state: State) -> None:
        """Say how a step went."""
        for line in outcome(state):
            self._say(line)

    def close(self) -> None:
        """Nothing to put away."""

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class _LineProgress:
    """A line every few seconds, so that a log tells where a step is."""

    def __init__(self, lines: Lines, name: str) -> None:
        self.lines, self.name = lines, name
        self.start(0, "")

    def start(self, total: int, unit: str) -> None:
        self.total, self.done, self.unit, self.said = total, 0, unit, time.monotonic()
        self.first: tuple[float, float] | None = None

    def advance(self, count: int = 1) -> None:
        self.done += count
        self._tell(self.done, "")

    def inside(self, done: float, pace: str) -> None:
        self._tell(done, f", {pace}")

    def _tell(self, done: float, pace: str) -> None:
        now = time.monotonic()
        self.first = self.first or (now, done)
        if now - self.said >= EVERY_SECONDS:
            self.said = now
            self.lines._say(f"{self.name}: {self.done}/{self.total} {self.unit}{pace}{self._left(now, done)}")

    def _left(self, now: float, done: float) -> str:
        """How long it will still take at the speed since the first thing was done."""
        began, before = self.first or (now, done)
        if done <= before:
            return ""
        return f", about {span((self.total - done) * (now - began) / (done - before))} left"

    def note(self, text: str) -> None:
        self.lines._say(f"{self.name}: {text}")


class Live:
    """A bar for each step at work, and a line for each that is over."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._tasks: dict[str, int] = {}

    def begin(self, step: Step, why: list[str]) -> Progress:
        """Draw a bar."""
        bars = self._open()
        task = bars.add_task(step.name, total=None, unit="")
        self._tasks[step.name] = int(task)
        bars.console.print(f"[bold]{step.name}[/bold] {'; '.join(why)}", highlight=False)
        return _BarProgress(bars, int(task))

    def end(self, state: State) -> None:
        """Put the step's bar away and say how it went."""
        bars, task = self._bars, self._tasks.pop(state.step.name, None)
        if bars is None or task is None:
            return
        from rich.progress import TaskID

        bars.remove_task(TaskID(task))
        for line in outcome(state):
            bars.console.print(line, highlight=False, markup=False)
        if not self._tasks:
            self.close()

    def close(self) -> None:
        """Put the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _open(self) -> Bars:
        if self._bars is None:
            from rich import progress
            from rich.console import Console

            bar = (progress.SpinnerColumn(), progress.TextColumn("{task.description}"), progress.BarColumn(30))
            count = (progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[unit]}"))
            clock = (progress.TimeElapsedColumn(), progress.TimeRemainingColumn())
            self._bars = progress.Progress(*bar, *count, *clock, console=Console(stderr=True), transient=True)
            self._bars.start()
        return self._bars


class _BarProgress:
    """Moves one bar."""

    def __init__(self, bars: Bars, task: int) -> None:
        from rich.progress import TaskID

        self.bars, self.task = bars, TaskID(task)
        self.unit, self.done = "", 0

    def start(self, total: int, unit: str) -> None:
        self.bars.reset(self.task, total=total, unit=unit)
        self.unit, self.done = unit, 0

    def advance(self, count: int = 1) -> None:
        self.done += count
        self.bars.update(self.task, completed=self.done)

    def inside(self, done: float, pace: str) -> None:
        self.bars.update(self.task, completed=done, unit=f"{self.unit}  {pace}")

    def note(self, text: str) -> None:
        self.bars.console.print(f"  {text}", highlight=False, markup=False)


def outcome(state: State) -> list[str]:
    """How a step went, in lines; nothing for one that was fresh."""
    if state.state == "fresh":
        return []
    if state.state == "failed":
        return [f"{state.step.name}: failed after {state.seconds:.1f} s"]
    if state.state == "skipped":
        return [f"{state.step.name}: not run: {'; '.join(state.why)}"]
    said = list(state.manifest.summary["lines"]) if state.manifest else []
    return [f"{state.step.name}: done in {state.seconds:.1f} s", *(f"  {line}" for line in said)]


def span(seconds: float) -> str:
    """A length of time, as a person would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
