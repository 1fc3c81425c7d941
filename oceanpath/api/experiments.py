"""Experiments: plan, run, and the results of the steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanpath.api.html import html_table
from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.pipeline import experiment as experiment_file
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Step, plan
from oceanpath.pipeline.preflight import run_preflight
from oceanpath.pipeline.runner import Runner, RunOptions, executor_options, first_error
from oceanpath.pipeline.stage import Progress, Quiet
from oceanpath.pipeline.status import StepState, forced_steps, inspect_plan
from oceanpath.pipeline.workspace import Workspace
from oceanpath.settings import Settings
from oceanpath.stages.catalog import CATALOG

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

OUTPUTS = "outputs"
Notify = Callable[[str], None]
HEAD = ("step", "state", "seconds", "why", "metrics")


class Experiment:
    """An experiment file with its workspace.

    >>> import oceanpath as op
    >>> experiment = op.Experiment("mine.toml", {"split.folds": 2})
    >>> experiment.settings("split").folds
    2
    >>> experiment.problems()
    []
    >>> experiment.plan()["step"].tolist()
    ['mmap', 'split']
    """

    def __init__(
        self,
        path: str | PathLike[str],
        overrides: Mapping[str, Any] | None = None,
        workspace: str | PathLike[str] = OUTPUTS,
    ) -> None:
        """Read and check a file.

        Args:
            path: The experiment file.
            overrides: ``table.key`` → value, as ``--set`` on the command line.
            workspace: Folder of all results.

        Raises: ExperimentError: the file or an override is wrong; all problems are listed.
        """
        self.workspace = Path(workspace)
        sets = tuple(f"{key}={json.dumps(value)}" for key, value in (overrides or {}).items())
        self._loaded = experiment_file.load(Path(path), CATALOG, sets, self.workspace.resolve())

    @property
    def name(self) -> str:
        """Name of the experiment and of its folder of results."""
        return self._loaded.name

    def settings(self, stage: str) -> Settings:
        """The settings of a stage. Raises: ExperimentError: there is no such stage."""
        return self._loaded.base.settings(CATALOG.stage(stage))

    def problems(self) -> list[str]:
        """Everything that is certain to make a run fail, without running anything; empty if nothing is."""
        verify = bool(self._loaded.base.value("runtime.verify"))
        result = run_preflight(plan(self._loaded), {}, self.workspace.resolve(), verify=verify)
        return [each.render() for error in (*result.absent, *result.problems) for each in (error.each or (error,))]

    def plan(self, to: str = "") -> pd.DataFrame:
        """Every step with its state and why it would run: columns step, stage, state, fingerprint, why."""
        import pandas as pd

        states = inspect_plan(plan(self._loaded, (), to), Workspace(self.workspace.resolve()))
        rows = [
            (each.step.name, each.step.stage.name, each.state, each.fingerprint, "; ".join(each.why)) for each in states
        ]
        return pd.DataFrame(rows, columns=["step", "stage", "state", "fingerprint", "why"])

    def run(
        self,
        to: str = "",
        *,
        force: Iterable[str] = (),
        jobs: int = 1,
        keep_going: bool = False,
        notify: Notify | None = None,
    ) -> Results:
        """Compute every step that is not up to date.

        Args:
            to: Last stage to run; default: all stages of the file.
            force: Stages that are computed again, with all that depend on them.
            jobs: Number of processes for steps, folds and slides.
            keep_going: Whether steps that do not depend on a failed one are run.
            notify: Called with a line when a step starts and when it has ended.

        Raises: OceanPathError: a step failed, or the preflight reports problems; all other results are kept.
        """
        planned, workspace = plan(self._loaded, (), to), Workspace(self.workspace.resolve())
        options = RunOptions(
            forced=forced_steps(planned, force),
            jobs=jobs,
            executor=str(self._loaded.base.value("runtime.executor")),
            executor_options=executor_options(self._loaded),
            keep_going=keep_going,
            verify=bool(self._loaded.base.value("runtime.verify")),
        )
        workspace.open()
        with Ledger(workspace.ledger) as ledger:
            command = f"op.run({str(self._loaded.path)!r})"
            states = Runner(planned, workspace, ledger, command, _Screen(notify), options).run()
        if problem := first_error(states):
            raise problem
        return Results(self.name, states, workspace)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, {str(self.workspace)!r})"

    def _repr_html_(self) -> str:
        frame = self.plan()
        return html_table(f"Experiment {self.name}", list(frame.columns), frame.itertuples(index=False))


def run(
    experiment: str | PathLike[str] | Experiment,
    overrides: Mapping[str, Any] | None = None,
    workspace: str | PathLike[str] = OUTPUTS,
    *,
    to: str = "",
    jobs: int = 1,
    notify: Notify | None = None,
) -> Results:
    """Run an experiment, as `oceanpath run` does; results that are up to date are not computed again.

        >>> import oceanpath as op
        >>> results = op.run("mine.toml", {"split.folds": 2})
        >>> [state.state for state in results.states]
        ['ok', 'ok']
        >>> op.run("mine.toml", {"split.folds": 2})
        Results('mine', mmap: fresh, split: fresh)

    Args:
        experiment: The experiment file, or an `Experiment`, which has its own overrides and workspace.
        overrides: ``table.key`` → value.
        workspace: Folder of all results.
        to: Last stage to run.
        jobs: Number of processes for steps, folds and slides.
        notify: Called with a line when a step starts and when it has ended: ``notify=print``.

    Raises: OceanPathError: a step failed, or the experiment has problems.
    """
    loaded = experiment if isinstance(experiment, Experiment) else Experiment(experiment, overrides, workspace)
    return loaded.run(to, jobs=jobs, notify=notify)


@dataclass(frozen=True)
class Results:
    """The steps of a run, and the folders of their results."""

    experiment: str
    states: Sequence[StepState]
    workspace: Workspace = field(repr=False)

    def folder(self, step: str) -> Path:
        """The folder that a step published, such as ``eval`` or ``eval@variant``.

        Raises: ExperimentError: the run has no such step.
        """
        for state in self.states:
            if state.step.name == step:
                return self.workspace.folder("stage", state.step.stage.name, state.fingerprint)
        names = ", ".join(state.step.name for state in self.states)
        raise ExperimentError("the run has no such step", where=self.experiment, expected=names, got=step)

    def metrics(self, step: str = "eval") -> Mapping[str, Any]:
        """The metrics of a step that the ledger records. Raises: ExperimentError: the run has no such step."""
        self.folder(step)
        (state,) = [state for state in self.states if state.step.name == step]
        return dict(state.manifest.summary["metrics"]) if state.manifest else {}

    def table(self) -> pd.DataFrame:
        """One row per step: step, state, seconds, why, metrics."""
        import pandas as pd

        return pd.DataFrame([self._row(state) for state in self.states], columns=list(HEAD))

    def _row(self, state: StepState) -> tuple[object, ...]:
        return state.step.name, state.state, state.seconds, "; ".join(state.why), self.metrics(state.step.name)

    def __repr__(self) -> str:
        steps = ", ".join(f"{state.step.name}: {state.state}" for state in self.states)
        return f"Results({self.experiment!r}, {steps})"

    def _repr_html_(self) -> str:
        rows = [
            (*row[:-1], ", ".join(f"{name} {value}" for name, value in dict(row[-1]).items()))  # type: ignore[call-overload]  # the last cell is a mapping
            for row in map(self._row, self.states)
        ]
        return html_table(f"Results of {self.experiment}", HEAD, rows)


class _Screen:
    """Reports steps to a function, if there is one."""

    def __init__(self, notify: Notify | None) -> None:
        self._notify = notify

    def begin(self, step: Step, why: list[str], /) -> Progress:
        """A step starts."""
        self._report(f"{step.name}: {'; '.join(why)}")
        return Quiet()

    def end(self, state: StepState, /) -> None:
        """A step has ended."""
        error: OceanPathError | None = state.error
        self._report(f"{state.step.name}: {state.state}" + (f", {error.render()}" if error else ""))

    def _report(self, text: str) -> None:
        if self._notify is not None:
            self._notify(text)
