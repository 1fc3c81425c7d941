"""A run with nothing to do, from the plan that an earlier run recorded: settings are neither imported nor validated.

Only ``run [EXPERIMENT] [--workspace DIR] [--set KEY=VALUE]...`` is such a run: typer, which parses all other options,
imports pydantic.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from oceanpath.cli.experiments import LOCAL
from oceanpath.cli.invocation import OUTPUTS, Common
from oceanpath.cli.report import can_compare, report
from oceanpath.errors import ExitCode
from oceanpath.pipeline import layers
from oceanpath.pipeline.confirm import confirm
from oceanpath.pipeline.experiment import Experiment, experiment_name
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import plan
from oceanpath.pipeline.recorded_plan import plan_key, read_recorded, record_plan
from oceanpath.stages.catalog import CATALOG

UNCONFIRMED = -1
"""Instead of an exit code: the experiment must be loaded."""


class Request(NamedTuple):
    """A run whose plan may be recorded."""

    common: Common
    experiment: str
    """Name of the experiment."""
    key: str
    """As `plan_key`."""


def confirm_words(words: Sequence[str]) -> int:
    """The exit code of a run that has nothing to do, otherwise UNCONFIRMED. Raises: as the functions below."""
    request = parse_request(words)
    return int(ExitCode.OK) if request is not None and confirm_run(request) else UNCONFIRMED


def parse_request(words: Sequence[str]) -> Request | None:
    """The run of these words of a command line; None if there are other options, or no file.

    Raises: ExperimentError: the file cannot be read, or an override or the name is wrong.
    """
    given: dict[str, list[str]] = {"": [], "--set": [], "--workspace": []}
    rest = iter(words)
    if next(rest, "") != "run":
        return None
    for word in rest:
        option, value = (word, next(rest, "")) if word.startswith("-") else ("", word)
        if option not in given or not value or value.startswith("-"):
            return None
        given[option].append(value)
    if len(given[""]) > 1 or len(given["--workspace"]) > 1 or not (given[""] or LOCAL.is_file()):
        return None
    file, workspace = Path(*given[""]) if given[""] else None, Path(*given["--workspace"] or [str(OUTPUTS)])
    return find_request(Common(file, tuple(given["--set"]), workspace))


def find_request(common: Common) -> Request:
    """The request of a run. Raises: ExperimentError: the file cannot be read, or an override or the name is wrong."""
    file = common.experiment or LOCAL
    text, over = layers.read(file), layers.overrides(common.sets)
    return Request(common, experiment_name(text, file), plan_key(text, over, common.as_workspace().root))


def confirm_run(request: Request) -> bool:
    """Record and report a run if its plan is recorded and all its steps are published; otherwise nothing is done.

    Raises: OceanPathError: the workspace cannot be used.
    """
    common, workspace = request.common, request.common.as_workspace()
    recorded = read_recorded(workspace.root, request.experiment, request.key, CATALOG)
    if recorded is None or not workspace.ledger.is_file():
        return False
    workspace.open()
    with Ledger(workspace.ledger) as ledger:
        states = confirm(recorded.plan, workspace, ledger, " ".join(sys.argv[1:]), recorded.cohorts)
    if states is None:
        return False
    common.named()  # prints the file if it was not named
    report(states, recorded.plan.experiment, common, comparable=recorded.comparable)
    return True


def record_run(request: Request, experiment: Experiment) -> None:
    """Record the plan of a successful run, unless its files were changed in the meantime or it has an audit."""
    planned = plan(experiment)
    if all(step.stage.name != "audit" for step in planned.steps) and request == find_request(request.common):
        root = request.common.as_workspace().root
        record_plan(planned, request.key, root, comparable=can_compare(experiment))
