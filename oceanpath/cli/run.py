"""Running an experiment, or printing what would run."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from oceanpath.cli.commands import experiment_command
from oceanpath.cli.confirm import find_request, record_run
from oceanpath.cli.experiments import print_status, quickstart
from oceanpath.cli.options import Common
from oceanpath.cli.preflight import check_preflight
from oceanpath.cli.report import can_compare, report
from oceanpath.cli.screen import facts, make_screen
from oceanpath.cli.steps import Steps, span
from oceanpath.cli.table import table
from oceanpath.errors import ExitCode, ExperimentError, OceanPathError
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.ledger import READ_BY_RUNS, Ledger
from oceanpath.pipeline.plan import Plan, plan
from oceanpath.pipeline.runner import Published, Runner, RunOptions, executor_options, first_error, ignore
from oceanpath.pipeline.status import StepState, forced_steps, inspect_plan


def run(common: Common) -> int:
    """Run every stage of an experiment that is not up to date."""
    if common.more["quickstart"]:
        if common.experiment is not None:
            raise ExperimentError("--quickstart cannot be combined with an experiment file", got=common.experiment)
        common = replace(common, experiment=quickstart())
    if common.more["detach"] or common.more["sbatch_only"]:
        from oceanpath.cli.submission import detach, write_sbatch  # few runs need them

        return detach(common) if common.more["detach"] else write_sbatch(common, common.more["sbatch_only"])
    return run_experiment(common)


def run_experiment(common: Common, targets: tuple[str, ...] = ()) -> int:
    """Run the target stages, or all stages of the file, or print what would run."""
    common = common.named()
    request = None if targets or common.to or common.dry_run or common.mermaid else find_request(common)
    experiment = common.load()
    code = run_loaded_experiment(experiment, common, targets)
    if request is not None:
        record_run(request, experiment)
    return code


def run_loaded_experiment(experiment: Experiment, common: Common, targets: tuple[str, ...] = ()) -> int:
    """The same for a loaded experiment. Raises: GateError: an audit of the run has findings that `audit.gate` names."""
    planned = plan(experiment, targets, common.to)
    if common.dry_run or common.mermaid:
        show_plan(planned, common)
        return int(ExitCode.OK)
    states = run_plan(planned, common)
    if not common.as_json and not common.quiet:
        report(states, experiment, common, comparable=can_compare(experiment))
    if audits := [state for state in states if state.step.stage.name == "audit"]:
        from oceanpath.cli.audit_gate import check_audits  # few experiments have an audit

        check_audits(audits, common)
    return int(ExitCode.OK)


def run_plan(planned: Plan, common: Common, published: Published = ignore) -> list[StepState]:
    """Run a plan; `published` is called for every part that is published.

    Raises: OceanPathError: the first failure; all other results are kept.
    """
    states = _execute(planned, common, published)
    problem = first_error(states)
    if problem:
        skipped = [state.step.name for state in states if state.state == "skipped"]
        if skipped:
            print(f"not run because of the failure: {', '.join(skipped)}", file=sys.stderr)
        raise problem
    return states


def _execute(planned: Plan, common: Common, published: Published) -> list[StepState]:
    workspace = common.as_workspace()
    workspace.open()
    with Ledger(workspace.ledger) as ledger:

        def last_seconds(stage: str) -> float | None:
            cost = ledger.last_cost(stage)
            return None if cost is None else cost[0]

        steps = Steps(planned.steps, lambda step: last_seconds(step.stage.name))
        screen = make_screen(steps, quiet=common.quiet, as_json=common.as_json)
        command = " ".join(sys.argv[1:])
        runner = Runner(planned, workspace, ledger, command, screen, run_options(planned, common, published))
        try:
            return runner.run()
        except OceanPathError as error:
            if common.as_json:  # errors before the first step have no event of their own
                print(json.dumps({"event": "refused", "error": error.render()}))
            raise
        finally:
            screen.close()
            _print_removed(runner, common)


def run_options(planned: Plan, common: Common, published: Published) -> RunOptions:
    """The options of a run, from the command line and ``[runtime]`` of the experiment."""
    runtime = planned.experiment.base.value
    return RunOptions(
        forced=forced_steps(planned, common.force),
        jobs=common.jobs,
        executor=str(runtime("runtime.executor")),
        executor_options=executor_options(planned.experiment),
        keep_going=common.keep_going,
        verify=bool(runtime("runtime.verify")),
        published=published,
    )


def _print_removed(runner: Runner, common: Common) -> None:
    """Print the steps whose links were removed because they are inconsistent with the others."""
    experiment = runner.plan.experiment
    variants = {"", *(variant.name for variant in experiment.variants)}
    steps = sorted(step for step in runner.folder.removed if step.partition("@")[2] in variants)
    if not steps:
        return
    if common.as_json:
        print(json.dumps({"event": "unlinked", "steps": steps}))
        return
    folder = f"{common.workspace}/experiments/{experiment.name}"
    what = f"{folder}: removed the links to {', '.join(steps)}, which used other results than the current ones"
    print_status(f"{what}. `{experiment_command('run', common, experiment)}` updates them.", quiet=common.quiet)


def show_plan(planned: Plan, common: Common) -> list[StepState]:
    """Print the state of every step and why it would run, a time estimate and, with --mermaid, the graph.

    Raises: OceanPathError: the preflight reports problems, so a run would be rejected.
    """
    workspace = common.as_workspace()
    states = inspect_plan(planned, workspace, common.force)
    _show(states, planned, common)
    fresh = [state for state in states if state.state == "fresh"]
    published = {
        state.step.name: workspace.folder("stage", state.step.stage.name, state.fingerprint) for state in fresh
    }
    if len(fresh) < len(states):
        check_preflight(planned, published, workspace.root, as_json=common.as_json, quiet=common.quiet)
    return states


def _show(states: list[StepState], planned: Plan, common: Common) -> None:
    if common.as_json:
        for state in states:
            print(json.dumps(facts(state)))
        if common.mermaid:
            print(json.dumps({"mermaid": planned.mermaid()}))
        return
    rows = [[state.step.name, state.state, state.fingerprint[:12], "; ".join(state.why)] for state in states]
    print(table(("step", "state", "fingerprint", "why"), rows, text=("step", "why")))
    print(f"\n{_forecast(states, common)}")
    if common.mermaid:
        print(f"\n{planned.mermaid()}")


def _forecast(states: list[StepState], common: Common) -> str:
    """Time and disk space of the steps to run, from the last run of each stage in this workspace."""
    left = [state for state in states if state.state != "fresh"]
    if not left:
        return "Nothing to do."
    path = common.as_workspace().ledger
    known: dict[str, tuple[float, int]] = {}
    if path.exists():
        with Ledger(path, read_only=True, tables=READ_BY_RUNS) as ledger:
            last = {state.step.name: ledger.last_cost(state.step.stage.name) for state in left}
            known = {name: cost for name, cost in last.items() if cost is not None}
    seconds, size = sum(cost[0] for cost in known.values()), sum(cost[1] for cost in known.values())
    text = f"{len(left)} steps to run"
    if known:
        text += f"; {len(known)} of them took {span(seconds)} and {size / 2**20:.0f} MB in their last run"
    return text + (f"; {len(left) - len(known)} never ran in this workspace" if len(known) < len(left) else "")
