"""Sealed tests: the reveal, which needs a recorded analysis plan, and the count of reveals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oceanpath.cli.commands import experiment_command
from oceanpath.cli.options import Common
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger import READ_BY_RUNS, Ledger
from oceanpath.pipeline.ledger_queries import settings_of
from oceanpath.stages.catalog import CATALOG

REVEALED = "revealed"


def revealed(common: Common) -> Common:
    """The same command with a revealed test.

    Raises: ExperimentError: the test is not sealed, or its analysis plan was not recorded before, or has changed since.
    """
    experiment = common.load()
    settings = experiment.base.settings(CATALOG.stage("eval"))
    where = f"{experiment.path.name} [eval]"
    if not experiment.base.value("eval.sealed"):
        do = "Set eval.sealed = true before the first model is trained, or run `oceanpath eval` without --reveal."
        raise ExperimentError("the test of this experiment is not sealed", where=where, do=do)
    plans: list[dict[str, Any]] = []
    if (path := common.as_workspace().ledger).is_file():
        with Ledger(path, read_only=True, tables=READ_BY_RUNS) as ledger:
            plans = settings_of(ledger, experiment.name, "eval", "ok")
    if without_seal(settings.identity()) not in [without_seal(plan) for plan in plans if plan.get("sealed") is True]:
        what = "the analysis plan was not recorded before the reveal"
        do = f"Record it with `{experiment_command('eval', common, experiment)}`, then reveal the test."
        raise ExperimentError(what, where=where, got=f"{len(plans)} other plans" if plans else "no plan", do=do)
    return replace(common, sets=(*common.sets, f"eval.sealed={REVEALED}"))


def without_seal(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `eval` that determine the analysis."""
    return {key: value for key, value in settings.items() if key != "sealed"}


def reveal_facts(ledger: Ledger, experiment: str) -> dict[str, Any]:
    """How often the test of an experiment was revealed, and whether every analysis was recorded before.

    A reveal is counted each time that test slides are predicted: for other models, other data or another analysis.
    """
    plans, reveals, is_planned = list[dict[str, Any]](), 0, True
    for settings in settings_of(ledger, experiment, "eval", "ok"):
        if settings.get("sealed") is True:
            plans.append(without_seal(settings))
        elif settings.get("sealed") == REVEALED:
            reveals += 1
            is_planned = is_planned and without_seal(settings) in plans
    return {"reveals": reveals, "planned": is_planned}
