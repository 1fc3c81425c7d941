"""Bringing an experiment up to date, or saying what that would take."""

from __future__ import annotations

import json
import sys

from oceanpath.cli.ahead import refuse_known
from oceanpath.cli.options import Common
from oceanpath.cli.report import report
from oceanpath.cli.screen import facts, make_screen
from oceanpath.errors import ExitCode, OceanPathError
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan, plan
from oceanpath.pipeline.runner import Published, Runner, first_error, ignore
from oceanpath.pipeline.survey import State, forced_stages, survey


def bring(common: Common, targets: tuple[str, ...] = ()) -> int:
    """Plan and run, or say what would run. Returns the exit code."""
    made = plan(common.load(), targets, common.to)
    if common.dry_run:
        show_plan(made, common)
        return int(ExitCode.OK)
    states = bring_up(made, common)
    if not common.as_json:
        report(states, made.experiment.name, common.workspace)
    return int(ExitCode.OK)


def bring_up(made: Plan, common: Common, published: Published = ignore) -> list[State]:
    """Run a plan; `published` is told of every part that is there.

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


def _go(made: Plan, common: Common, published: Published) -> list[State]:
    workspace = common.place()
    workspace.open()
    forced = forced_stages(made, common.force)
    screen = make_screen(quiet=common.quiet, as_json=common.as_json)
    with Ledger(workspace.ledger) as ledger:
        try:
            command = " ".join(sys.argv[1:])
            runner = Runner(made, workspace, ledger, command, screen, forced, common.jobs, common.keep_going, published)
            return runner.go()
        except OceanPathError as error:
            if common.as_json:  # what is refused before any step has no event of its own
                print(json.dumps({"event": "refused", "error": error.render()}))
            raise
        finally:
            screen.close()


def show_plan(made: Plan, common: Common) -> list[State]:
    """Print how every step stands, and what is to be made would take.

    Raises: OceanPathError: something is known to be wrong, so that a run would be refused.
    """
    place = common.place()
    states = survey(made, place, common.force)
    _show(states, made, as_json=common.as_json)
    if not common.as_json:
        print(f"\n{_forecast(states, common)}")
    fresh = [state for state in states if state.state == "fresh"]
    published = {state.step.name: place.place("stage", state.step.stage.name, state.fingerprint) for state in fresh}
    if len(fresh) < len(states):
        refuse_known(made, published, place.root, as_json=common.as_json)
    return states


def _show(states: list[State], made: Plan, *, as_json: bool) -> None:
    if as_json:
        for state in states:
            print(json.dumps(facts(state)))
        return
    width = max(len(state.step.name) for state in states)
    for state in states:
        line = f"{state.step.name:<{width}}  {state.state:<7}  {state.fingerprint[:12]:<12}  {'; '.join(state.why)}"
        print(line.rstrip())
    print(f"\n{made.mermaid()}")


def _forecast(states: list[State], common: Common) -> str:
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
    said = f"{len(left)} steps to make"
    if known:
        said += f"; {len(known)} of them took {seconds:.0f} s and {size / 2**20:.0f} MB the last time"
    return said + (f"; {len(left) - len(known)} never ran in this workspace" if len(known) < len(left) else "")
