"""How far a run is: which step of how many, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from oceanpath.pipeline.plan import Step

WINDOW = 20
"""Samples of progress that an estimate is made from."""
BETWEEN = 1.0
"""Seconds between two of them."""


@dataclass
class Pace:
    """The time that one step still needs, from its recent progress and from the last time it ran."""

    began: float
    cost: float | None = None
    """Seconds it took the last time, where it ran before in this workspace."""
    total: int = 0
    _samples: list[tuple[float, float]] = field(default_factory=list)

    def start(self, total: int) -> None:
        """Counting to `total` begins."""
        self.total, self._samples = total, []

    def done(self, done: float) -> None:
        """So much of the total is done."""
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= BETWEEN:
            self._samples = [*self._samples[1 - WINDOW :], (now, done)]

    def left(self) -> float | None:
        """Seconds, or None while nothing is known."""
        known = None if self.cost is None else self.cost - (time.monotonic() - self.began)
        known = known if known and known > 0 else None  # it takes longer than the last time
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
    """How long a step took the last time, where that is known; asked when the first step starts."""
    costs: dict[str, float | None] = field(default_factory=dict)
    """Step → these seconds."""
    over: set[str] = field(default_factory=set)
    running: dict[str, Pace] = field(default_factory=dict)

    def begin(self, step: Step) -> Pace:
        """A step starts."""
        self.costs = self.costs or {each.name: self.last_seconds(each) for each in self.steps}
        return self.running.setdefault(step.name, Pace(time.monotonic(), self.costs[step.name]))

    def end(self, step: Step) -> None:
        """A step is over, or needed no work."""
        self.over.add(step.name)
        self.running.pop(step.name, None)

    def label(self, step: Step) -> str:
        """``[5/8] train``."""
        return f"[{self.steps.index(step) + 1}/{len(self.steps)}] {step.name}"

    def left(self) -> str:
        """The time that all steps still need, in words; nothing while it is not known of any."""
        names = [step.name for step in self.steps if step.name not in self.over]
        times = [self.running[name].left() if name in self.running else self.costs.get(name) for name in names]
        known = [seconds for seconds in times if seconds is not None]
        if not known:
            return ""
        return ("about " if len(known) == len(times) else "more than ") + span(sum(known))


def span(seconds: float) -> str:
    """A length of time in words: ``45 s``, ``12 min``, ``1.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
