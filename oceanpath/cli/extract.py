"""`oceanpath extract`: the stage of an experiment, or a folder of slides into a folder of features without any."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanpath.cli.commands import command, workspace_flag
from oceanpath.cli.options import OUTPUTS, Common, flag
from oceanpath.cli.outputs import prepare_folders
from oceanpath.cli.report import report
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
KEPT = ".oceanpath"
"""Below --out: the workspace from which the same command goes on."""
FLAGS = (
    flag("slides", Path | None, None, "Folder of slides; no experiment is needed then.", key="data.slides"),
    flag("encoder", str | None, None, "Patch encoder.", key="extract.encoder"),
    flag(
        "out", Path | None, None, "Folder for the feature files; without it they are in the workspace.", metavar="DIR"
    ),
    flag(
        "shard",
        str | None,
        None,
        "Only every n-th slide, from the i-th: for several machines.",
        key="extract.shard",
        metavar="I/N",
    ),
)


def call(common: Common) -> int:
    """Bring the features up to date, or with ``--dry-run`` say what that would take."""
    out: Path | None = common.more["out"]
    enough = out is not None or sets_key(common, "data.slides")
    experiment, common = load_or_assume(common, STAGE, enough=enough), _placed(common, out)
    made = plan(experiment, (STAGE,), common.to)
    if common.dry_run or common.mermaid:
        return _forecast(made, common)
    prepare_folders(out=out)
    if out is None:
        states = run_plan(made, common)
    else:
        from oceanpath.cli.extract_out import put, settle

        states = run_plan(made, common, lambda _, folder: put(folder, out))
        settle(states[-1], common.place(), out)
    if common.as_json or common.quiet:
        return int(ExitCode.OK)
    if out is None:
        report(states, experiment, common)
    else:
        _report(states[-1], out, common)
    return int(ExitCode.OK)


def _placed(common: Common, out: Path | None) -> Common:
    return common if out is None or common.workspace != OUTPUTS else replace(common, workspace=out / KEPT)


def _report(state: StepState, out: Path, common: Common) -> None:
    """Print what was made, where it is, and the commands that follow."""
    metrics = state.manifest.summary["metrics"] if state.manifest else {}
    print(f"{metrics.get('slides', 0)} slides, {metrics.get('patches', 0)} patches in {out}")
    print("\nNext")
    print(f"  {command('curate', '--features', out)}")
    print(f"  {command('ledger', 'show', *workspace_flag(common.workspace))}")
    print(f'To train, write an experiment file with data.features = "{out}" and data.labels, a table of labels.')


def _forecast(made: Plan, common: Common) -> int:
    """The plan, then every slide's patches, then an estimate from a short sample."""
    states = show_plan(made, common)
    settings: Any = states[-1].step.settings
    inputs = _inputs(states, common)
    if inputs is None:
        if not common.as_json:
            print("Its slides are not there yet.")
        return int(ExitCode.OK)
    if settings.backend != "native":
        if not common.as_json:
            print(f"What {settings.backend} would find is not known before it runs.")
        return int(ExitCode.OK)
    from oceanpath.stages.extract.forecast import chosen, inspect_slide, sample_speed

    found: list[SlideForecast] = []
    for outlook in inspect_slide(settings, chosen(settings, inputs)):
        found.append(outlook)
        said = json.dumps({**asdict(outlook), "path": str(outlook.path)}) if common.as_json else _line(outlook)
        print(said, flush=True)
    good = [outlook for outlook in found if not outlook.problem]
    speed = sample_speed(settings, good[0]) if good else None
    if common.as_json:
        print(json.dumps({"sample": asdict(speed) if speed else None}))
    else:
        print(f"\n{_estimate(found, good, speed)}")
    return int(ExitCode.OK)


def _inputs(states: list[StepState], common: Common) -> Inputs | None:
    """What the stage would read now; None while a parent is still to be made."""
    here = {state.step.name: state for state in states}
    step, places = states[-1].step, dict[str, Path]()
    for stage, name in step.parents.items():
        if here[name].state != "fresh":
            return None
        places[stage] = common.place().folder("stage", stage, here[name].fingerprint)
    return verified(Inputs(parents=places), step.stage)


def _line(outlook: SlideForecast) -> str:
    if outlook.problem:
        return f"{outlook.slide_id}: would fail: {outlook.problem}"
    return f"{outlook.slide_id}: {outlook.patches} patches, mpp {outlook.mpp:g} ({outlook.mpp_source})"


def _estimate(found: list[SlideForecast], good: list[SlideForecast], speed: Speed | None) -> str:
    patches, bad = sum(outlook.patches for outlook in good), len(found) - len(good)
    said = f"{len(good)} slides, {patches} patches" + (f"; {bad} would fail" if bad else "")
    if speed is None:
        return said
    seconds = speed.seconds_for(patches) + sum(outlook.seconds for outlook in found)
    size = speed.bytes_for(patches, len(good)) / 2**20
    rate = speed.patches / speed.seconds
    sample = f"estimated from {speed.patches} patches of {speed.slide_id} just now, {rate:.0f} patches/s"
    return f"{said}\nabout {span(seconds)} and {size:.1f} MB from the start ({sample})"
