"""Progress of a run: number of steps, remaining time and outcome of a step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from oceanpath.pipeline.plan import Step
from oceanpath.pipeline.status import StepState

WINDOW = 20
"""Number of samples of progress for an estimate."""
SAMPLE_SECONDS = 1.0
"""Minimum seconds between two samples."""


@dataclass
class Pace:
    """Remaining time of one step, from its recent progress and the duration of its last run."""

    began: float
    cost: float | None = None
    """Seconds of its last run in this workspace, if any."""
    total: int = 0
    _samples: list[tuple[float, float]] = field(default_factory=list)

    def start(self, total: int) -> None:
        """Start counting to `total`."""
        self.total, self._samples = total, []

    def done(self, done: float) -> None:
        """Record the current count."""
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples = [*self._samples[1 - WINDOW :], (now, done)]

    def left(self) -> float | None:
        """Remaining seconds, or None if unknown."""
        known = None if self.cost is None else self.cost - (time.monotonic() - self.began)
        known = known if known and known > 0 else None  # it already takes longer than the last run
        if len(self._samples) < 2:
            return known
        (since, before), (now, done) = self._samples[0], self._samples[-1]
        if done <= before:
            return known
        counted = max(0.0, (self.total - done) * (now - since) / (done - before) - (time.monotonic() - now))
        return max(counted, known or 0.0)


@dataclass
class Steps:
    """All steps of a run."""

    steps: tuple[Step, ...]
    last_seconds: Callable[[Step], float | None] = lambda _: None
    """Seconds of the last run of a step, if known; called when the first step starts."""
    costs: dict[str, float | None] = field(default_factory=dict)
    """Step → these seconds."""
    over: set[str] = field(default_factory=set)
    running: dict[str, Pace] = field(default_factory=dict)

    def begin(self, step: Step) -> Pace:
        """A step starts."""
        self.costs = self.costs or {each.name: self.last_seconds(each) for each in self.steps}
        return self.running.setdefault(step.name, Pace(time.monotonic(), self.costs[step.name]))

    def end(self, step: Step) -> None:
        """A step has ended, or was fresh."""
        self.over.add(step.name)
        self.running.pop(step.name, None)

    def label(self, step: Step) -> str:
        """``[5/8] train``."""
        return f"[{self.steps.index(step) + 1}/{len(self.steps)}] {step.name}"

    def left(self) -> str:
        """Remaining time of all steps as text; empty if unknown for all."""
        names = [step.name for step in self.steps if step.name not in self.over]
        times = [self.running[name].left() if name in self.running else self.costs.get(name) for name in names]
        known = [seconds for seconds in times if seconds is not None]
        if not known:
            return ""
        return ("about " if len(known) == len(times) else "more than ") + span(sum(known))


def span(seconds: float) -> str:
    """A duration as text: ``45 s``, ``12 min``, ``1.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def outcome(state: StepState, steps: Steps) -> list[str]:
    """Lines about the outcome of a step; none if it was fresh."""
    label = steps.label(state.step)
    if state.state == "fresh":
        return []
    if state.state == "failed":
        return [f"{label}: failed after {state.seconds:.1f} s"]
    if state.state == "skipped":
        return [f"{label}: not run: {'; '.join(state.why)}"]
    lines = list(state.manifest.summary["lines"]) if state.manifest else []
    return [f"{label}: done in {state.seconds:.1f} s", *(f"  {line}" for line in lines)]
