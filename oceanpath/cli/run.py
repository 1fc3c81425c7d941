"""Bringing an experiment up to date, or printing what that would take."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from oceanpath.cli.commands import experiment_command
from oceanpath.cli.experiments import quickstart, say
from oceanpath.cli.options import Common
from oceanpath.cli.preflight import refuse_known
from oceanpath.cli.report import report
from oceanpath.cli.screen import facts, make_screen
from oceanpath.cli.steps import Steps, span
from oceanpath.cli.table import table
from oceanpath.errors import ExitCode, ExperimentError, OceanPathError
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan, plan
from oceanpath.pipeline.runner import Published, Runner, RunOptions, first_error, ignore
from oceanpath.pipeline.status import StepState, forced_steps, inspect_plan


def run(common: Common) -> int:
    """Bring every stage of an experiment up to date."""
    if common.more["quickstart"]:
        if common.experiment is not None:
            raise ExperimentError("--quickstart is an experiment of its own", got=common.experiment)
        common = replace(common, experiment=quickstart())
    return run_experiment(common)


def run_experiment(common: Common, targets: tuple[str, ...] = ()) -> int:
    """Bring the targets, or all stages of the file, up to date, or print what that would take."""
    return run_loaded_experiment(common.load(), common, targets)


def run_loaded_experiment(experiment: Experiment, common: Common, targets: tuple[str, ...] = ()) -> int:
    """The same for an experiment that is loaded."""
    made = plan(experiment, targets, common.to)
    if common.dry_run or common.mermaid:
        show_plan(made, common)
        return int(ExitCode.OK)
    states = run_plan(made, common)
    if not common.as_json and not common.quiet:
        report(states, experiment, common)
    return int(ExitCode.OK)


def run_plan(made: Plan, common: Common, published: Published = ignore) -> list[StepState]:
    """Run a plan; `published` is called with every part that is published.

    Raises: OceanPathError: what failed; the rest is kept.
    """
    states = _go(made, common, published)
    problem = first_error(states)
    if problem:
        skipped = [state.step.name for state in states if state.state == "skipped"]
        if skipped:
            print(f"not run because of the failure: {', '.join(skipped)}", file=sys.stderr)
        raise problem
    return states


def _go(made: Plan, common: Common, published: Published) -> list[StepState]:
    workspace = common.place()
    workspace.open()
    with Ledger(workspace.ledger) as ledger:

        def last_seconds(stage: str) -> float | None:
            cost = ledger.last_cost(stage)
            return None if cost is None else cost[0]

        steps = Steps(made.steps, lambda step: last_seconds(step.stage.name))
        screen = make_screen(steps, quiet=common.quiet, as_json=common.as_json)
        command = " ".join(sys.argv[1:])
        runner = Runner(made, workspace, ledger, command, screen, run_options(made, common, published))
        try:
            return runner.run()
        except OceanPathError as error:
            if common.as_json:  # what is refused before any step has no event of its own
                print(json.dumps({"event": "refused", "error": error.render()}))
            raise
        finally:
            screen.close()
            _tell_removed(runner, common)


def run_options(made: Plan, common: Common, published: Published) -> RunOptions:
    """The options of a run, from the command line and the experiment's ``[runtime]``."""
    runtime = made.experiment.base.value
    return RunOptions(
        forced=forced_steps(made, common.force),
        jobs=common.jobs,
        executor=str(runtime("runtime.executor")),
        keep_going=common.keep_going,
        verify=bool(runtime("runtime.verify")),
        published=published,
    )


def _tell_removed(runner: Runner, common: Common) -> None:
    """Name the steps whose links were removed because they no longer belong to the others."""
    experiment = runner.plan.experiment
    variants = {"", *(variant.name for variant in experiment.variants)}
    steps = sorted(step for step in runner.folder.removed if step.partition("@")[2] in variants)
    if not steps:
        return
    if common.as_json:
        print(json.dumps({"event": "unlinked", "steps": steps}))
        return
    folder = f"{common.workspace}/experiments/{experiment.name}"
    what = f"{folder}: removed the links to {', '.join(steps)}, which were made from other results than those there now"
    say(f"{what}. `{experiment_command('run', common, experiment)}` brings them up to date.", quiet=common.quiet)


def show_plan(made: Plan, common: Common) -> list[StepState]:
    """Print the state of every step and why it would run, an estimate of the time and, with --mermaid, the graph.

    Raises: OceanPathError: something is known to be wrong, so that a run would be refused.
    """
    place = common.place()
    states = inspect_plan(made, place, common.force)
    _show(states, made, common)
    fresh = [state for state in states if state.state == "fresh"]
    published = {state.step.name: place.folder("stage", state.step.stage.name, state.fingerprint) for state in fresh}
    if len(fresh) < len(states):
        refuse_known(made, published, place.root, as_json=common.as_json, quiet=common.quiet)
    return states


def _show(states: list[StepState], made: Plan, common: Common) -> None:
    if common.as_json:
        for state in states:
            print(json.dumps(facts(state)))
        if common.mermaid:
            print(json.dumps({"mermaid": made.mermaid()}))
        return
    rows = [[state.step.name, state.state, state.fingerprint[:12], "; ".join(state.why)] for state in states]
    print(table(("step", "state", "fingerprint", "why"), rows, text=("step", "why")))
    print(f"\n{_forecast(states, common)}")
    if common.mermaid:
        print(f"\n{made.mermaid()}")


def _forecast(states: list[StepState], common: Common) -> str:
    """What the steps that are not fresh would take, from the last time each stage ran in this workspace."""
    left = [state for state in states if state.state != "fresh"]
    if not left:
        return "Nothing to do."
    path = common.place().ledger
    known: dict[str, tuple[float, int]] = {}
    if path.exists():
        with Ledger(path, read_only=True) as ledger:
            last = {state.step.name: ledger.last_cost(state.step.stage.name) for state in left}
            known = {name: cost for name, cost in last.items() if cost is not None}
    seconds, size = sum(cost[0] for cost in known.values()), sum(cost[1] for cost in known.values())
    text = f"{len(left)} steps to make"
    if known:
        text += f"; {len(known)} of them took {span(seconds)} and {size / 2**20:.0f} MB the last time"
    return text + (f"; {len(left) - len(known)} never ran in this workspace" if len(known) < len(left) else "")
