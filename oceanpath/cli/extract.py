"""`oceanpath extract`: the stage of an experiment, or a folder of slides into a folder of features without one."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanpath.cli.commands import command, workspace_flag
from oceanpath.cli.options import OUTPUTS, Common, flag
from oceanpath.cli.outputs import prepare_folders
from oceanpath.cli.report import can_compare, report
from oceanpath.cli.run import run_plan, show_plan
from oceanpath.cli.stand_alone import load_or_assume, sets_key
from oceanpath.cli.steps import span
from oceanpath.errors import ExitCode
from oceanpath.pipeline.plan import Plan, plan
from oceanpath.pipeline.stage import Inputs
from oceanpath.pipeline.status import StepState
from oceanpath.pipeline.verified_inputs import verified

if TYPE_CHECKING:
    from oceanpath.stages.extract.forecast import SlideForecast, Speed

STAGE = "extract"
OUT_WORKSPACE = ".oceanpath"
"""Workspace below --out, from which the same command resumes."""
FLAGS = (
    flag("slides", Path | None, None, "Folder of slides, instead of an experiment.", key="data.slides"),
    flag("encoder", str | None, None, "Patch encoder.", key="extract.encoder"),
    flag("out", Path | None, None, "Folder for the feature files; default: a folder in the workspace.", metavar="DIR"),
    flag(
        "shard",
        str | None,
        None,
        "Extract every N-th slide, starting with the I-th, to use several machines.",
        key="extract.shard",
        metavar="I/N",
    ),
)


def call(common: Common) -> int:
    """Extract the features that are not up to date, or with ``--dry-run`` estimate the time and disk space."""
    out: Path | None = common.more["out"]
    enough = out is not None or sets_key(common, "data.slides")
    experiment, common = load_or_assume(common, STAGE, enough=enough), _with_workspace(common, out)
    planned = plan(experiment, (STAGE,), common.to)
    if common.dry_run or common.mermaid:
        return _forecast(planned, common)
    prepare_folders(out=out)
    if out is None:
        states = run_plan(planned, common)
    else:
        from oceanpath.cli.extract_out import link_files, update_out

        states = run_plan(planned, common, lambda _, folder: link_files(folder, out))
        update_out(states[-1], common.as_workspace(), out)
    if common.as_json or common.quiet:
        return int(ExitCode.OK)
    if out is None:
        report(states, experiment, common, comparable=can_compare(experiment))
    else:
        _report(states[-1], out, common)
    return int(ExitCode.OK)


def _with_workspace(common: Common, out: Path | None) -> Common:
    return common if out is None or common.workspace != OUTPUTS else replace(common, workspace=out / OUT_WORKSPACE)


def _report(state: StepState, out: Path, common: Common) -> None:
    """Print a summary, the folder and the next commands."""
    metrics = state.manifest.summary["metrics"] if state.manifest else {}
    print(f"{metrics.get('slides', 0)} slides, {metrics.get('patches', 0)} patches in {out}")
    print("\nNext")
    print(f"  {command('curate', '--features', out)}")
    print(f"  {command('ledger', 'show', *workspace_flag(common.workspace))}")
    print(f'To train, write an experiment file with data.features = "{out}" and data.labels, a table of labels.')


def _forecast(planned: Plan, common: Common) -> int:
    """Print the plan, then the patches of every slide, then an estimate from a short sample."""
    states = show_plan(planned, common)
    settings: Any = states[-1].step.settings
    inputs = _inputs(states, common)
    if inputs is None:
        if not common.as_json:
            print("No forecast: the slides do not exist yet.")
        return int(ExitCode.OK)
    if settings.backend != "native":
        if not common.as_json:
            print(f"No forecast: the patches that {settings.backend} selects are unknown before it runs.")
        return int(ExitCode.OK)
    from oceanpath.stages.extract.forecast import inspect_slides, sample_speed, slides_to_extract

    forecasts: list[SlideForecast] = []
    for forecast in inspect_slides(settings, slides_to_extract(settings, inputs)):
        forecasts.append(forecast)
        line = json.dumps({**asdict(forecast), "path": str(forecast.path)}) if common.as_json else _line(forecast)
        print(line, flush=True)
    good = [forecast for forecast in forecasts if not forecast.problem]
    speed = sample_speed(settings, good[0]) if good else None
    if common.as_json:
        print(json.dumps({"sample": asdict(speed) if speed else None}))
    else:
        print(f"\n{_estimate(forecasts, good, speed)}")
    return int(ExitCode.OK)


def _inputs(states: list[StepState], common: Common) -> Inputs | None:
    """The inputs that the stage would read now; None if a parent is not up to date."""
    by_name = {state.step.name: state for state in states}
    step, parents = states[-1].step, dict[str, Path]()
    for stage, name in step.parents.items():
        if by_name[name].state != "fresh":
            return None
        parents[stage] = common.as_workspace().folder("stage", stage, by_name[name].fingerprint)
    return verified(Inputs(parents=parents), step.stage)


def _line(forecast: SlideForecast) -> str:
    if forecast.problem:
        return f"{forecast.slide_id}: would fail: {forecast.problem}"
    return f"{forecast.slide_id}: {forecast.patches} patches, mpp {forecast.mpp:g} ({forecast.mpp_source})"


def _estimate(forecasts: list[SlideForecast], good: list[SlideForecast], speed: Speed | None) -> str:
    patches, bad = sum(forecast.patches for forecast in good), len(forecasts) - len(good)
    counts = f"{len(good)} slides, {patches} patches" + (f"; {bad} would fail" if bad else "")
    if speed is None:
        return counts
    seconds = speed.seconds_for(patches) + sum(forecast.seconds for forecast in forecasts)
    size = speed.bytes_for(patches, len(good)) / 2**20
    rate = speed.patches / speed.seconds
    sample = f"measured on {speed.patches} patches of {speed.slide_id}, {rate:.0f} patches/s"
    return f"{counts}\nabout {span(seconds)} and {size:.1f} MB in total ({sample})"
