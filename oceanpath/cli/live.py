"""Progress bars on a terminal: one per running step, one for the run, and a line per completed step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oceanpath.cli.steps import Pace, Steps, outcome, span
from oceanpath.pipeline.plan import Step
from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.status import StepState

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

TOTAL = "total"


class Live:
    """Draws with rich, which is imported when the first step starts."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._total: TaskID | None = None

    def begin(self, step: Step, why: list[str]) -> Progress:
        """Draw a bar."""
        bars, label = self._open(), self.steps.label(step)
        task = self._tasks[step.name] = bars.add_task(label, total=None, detail="", left="")
        self.print(f"{label}: {'; '.join(why)}")
        return _BarProgress(self, task, self.steps.begin(step))

    def end(self, state: StepState) -> None:
        """Remove the bar of a step and print its outcome."""
        self.steps.end(state.step)
        task = self._tasks.pop(state.step.name, None)
        if self._bars is None or task is None:
            return
        self._bars.remove_task(task)
        for line in outcome(state, self.steps):
            self.print(line)
        self._draw_total()

    def close(self) -> None:
        """Remove all bars."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def print(self, text: str) -> None:
        """Print one line above the bars, without markup."""
        self._open().console.print(text, highlight=False, markup=False)

    def move(self, task: TaskID, done: float, total: int | None, *, detail: str, left: str) -> None:
        """Update a bar and that of the run; without a total the bar only shows activity."""
        bars = self._open()
        if total is None:
            bars.reset(task, total=None, detail=detail, left=left)
        else:
            bars.update(task, total=total, completed=done, detail=detail, left=left)
        self._draw_total()

    def _draw_total(self) -> None:
        if self._bars is not None and self._total is not None:
            done, count, left = len(self.steps.over), len(self.steps.steps), self.steps.left()
            left = f"{left} left" if left else ""
            self._bars.update(self._total, total=count, completed=done, detail=f"{done}/{count} stages", left=left)

    def _open(self) -> Bars:
        if self._bars is None:
            from rich import progress
            from rich.console import Console

            console = Console(stderr=True)
            spinner = progress.SpinnerColumn("line" if console.options.ascii_only else "dots")
            label, detail, left = (
                progress.TextColumn(f"{{task.{name}}}", markup=False)
                for name in ("description", "fields[detail]", "fields[left]")
            )
            columns = (spinner, label, progress.BarColumn(12), detail, left)
            self._bars = progress.Progress(*columns, console=console, transient=True)
            self._total = self._bars.add_task(TOTAL, total=len(self.steps.steps), detail="", left="")
            self._bars.start()
        return self._bars


class _BarProgress:
    """Updates one bar."""

    def __init__(self, live: Live, task: TaskID, pace: Pace) -> None:
        self.live, self.task, self.pace = live, task, pace
        self.start(0, "")

    def start(self, total: int, unit: str) -> None:
        self.total, self.count, self.unit = total, 0, unit
        self.pace.start(total)
        self._draw(0, "")

    def advance(self, count: int = 1) -> None:
        self.count += count
        self._draw(self.count, "")

    def inside(self, done: float, pace: str) -> None:
        self._draw(done, pace)

    def phase(self, text: str) -> None:
        self.total = 0
        self._draw(0, text)

    def note(self, text: str) -> None:
        self.live.print(f"  {text}")

    def _draw(self, done: float, text: str) -> None:
        self.pace.done(done)
        left = self.pace.left()
        counted = f"{self.count}/{self.total} {self.unit}" if self.total else ""
        detail = ", ".join(filter(None, (counted, text)))
        self.live.move(self.task, done, self.total or None, detail=detail, left=f"{span(left)} left" if left else "")
