"""The end of a successful run: test results, the folder of the results, and next commands."""

from __future__ import annotations

from oceanpath.artifacts.analysis_plan import read_plan
from oceanpath.artifacts.bag_unit import SLIDE, unit_of
from oceanpath.cli.cohort_flow import flow_lines
from oceanpath.cli.commands import command, experiment_command, workspace_flag
from oceanpath.cli.invocation import Common
from oceanpath.cli.results import INDENT, results
from oceanpath.cli.table import paragraph
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.layers import table
from oceanpath.pipeline.status import StepState

SIMPLEST = "static"
"""The aggregator that is proposed for a comparison."""


def report(states: list[StepState], experiment: Experiment, common: Common, *, comparable: bool) -> None:
    """Print the end of a successful run; `comparable`: whether the next commands compare the simplest aggregator."""
    if all(state.state == "fresh" for state in states):
        print(f"Nothing to do: all {len(states)} steps of {experiment.name} are up to date.")
    for state in states:
        if (stage := state.step.stage.name) in ("eval", "external"):
            published = common.as_workspace().folder("stage", stage, state.fingerprint)
            if state.step.settings.identity().get("sealed") is True:
                print(f"\n{_sealed(state, experiment, common)}")
                continue
            print(f"\n{results(published, _title(state, experiment), state.step.settings.identity()['confidence'])}")
    for line in flow_lines(states, common.as_workspace()):
        print(line)
    folder = f"{common.workspace}/experiments/{experiment.name}"
    print(f"\nResults in {folder}\n{paragraph(', '.join(state.step.name for state in states), INDENT)}")
    print("\nNext")
    for line in next_commands(states, experiment, common, comparable=comparable):
        print(f"{INDENT}{line}")


def _sealed(state: StepState, experiment: Experiment, common: Common) -> str:
    """What a sealed evaluation has recorded."""
    plan = read_plan(common.as_workspace().folder("stage", state.step.stage.name, state.fingerprint))["sha256"]
    reveal = experiment_command("eval", common, experiment, "--reveal")
    text = f"The test of {experiment.name} is sealed: no test slide was predicted. Analysis plan {plan}."
    return paragraph(f"{text} Reveal the test with `{reveal}`.")


def next_commands(states: list[StepState], experiment: Experiment, common: Common, *, comparable: bool) -> list[str]:
    """Useful next commands; each can be run as printed."""
    names = {state.step.stage.name for state in states}
    commands = [command("ledger", "show", *workspace_flag(common.workspace))]
    if "export" in names and all(unit_of(state.step.settings.identity()) == SLIDE for state in states):
        # bundles that predict patients are not served
        commands.append(command("serve", f"{common.workspace}/experiments/{experiment.name}/export"))
    if "train" in names and "eval" not in names:
        commands.append(experiment_command("eval", common, experiment))
    elif "eval" in names and comparable:
        commands.append(experiment_command("eval", common, experiment, "--model", SIMPLEST))
    return commands


def can_compare(experiment: Experiment) -> bool:
    """Whether the experiment uses another aggregator than the simplest one, and only sets keys that both have."""
    from oceanpath.models.settings import StaticSettings  # imports pydantic

    keys = {key.partition(".")[0] for key in table(experiment.base.layer, "model")}
    return experiment.base.value("model.name") != SIMPLEST and keys <= set(StaticSettings.own_keys())


def _title(state: StepState, experiment: Experiment) -> str:
    step, _, variant = state.step.name.partition("@")
    _, _, cohort = step.partition(".")
    title = f"External cohort {cohort}, {experiment.name}" if cohort else f"Test results of {experiment.name}"
    return title + (f", variant {variant}" if variant else "")
