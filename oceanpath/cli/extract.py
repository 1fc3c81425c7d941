"""`oceanpath extract`: the stage of an experiment, or a folder of slides into a folder of features without any."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanpath.cli.options import LOCAL, OUTPUTS, Common, flag
from oceanpath.cli.report import report
from oceanpath.cli.run import bring_up, show_plan
from oceanpath.cli.screen import span
from oceanpath.errors import ExitCode, StageError
from oceanpath.pipeline.experiment import Experiment, without_file
from oceanpath.pipeline.plan import Plan, plan
from oceanpath.pipeline.stage import Inputs
from oceanpath.pipeline.survey import State
from oceanpath.stages.catalog import CATALOG

if TYPE_CHECKING:
    from oceanpath.stages.extract.forecast import Outlook, Speed

STAGE = "extract"
KEPT = ".oceanpath"
"""Below --out: the workspace from which the same command goes on."""
FLAGS = (
    flag("slides", Path | None, None, "Folder of slides; without -e nothing else is needed.", key="data.slides"),
    flag("encoder", str | None, None, "Patch encoder.", key="extract.encoder"),
    flag("out", Path | None, None, "Put the feature files into this folder too.", metavar="DIR"),
    flag("shard", str | None, None, "Only the i-th of every n slides.", key="extract.shard", metavar="I/N"),
)


def extract(common: Common) -> int:
    """Bring the features up to date, or with ``--dry-run`` say what that would take."""
    out: Path | None = common.more["out"]
    experiment, common = _experiment(common, out), _placed(common, out)
    made = plan(experiment, (STAGE,), common.to)
    if common.dry_run:
        return _forecast(made, common)
    if out is None:
        states = bring_up(made, common)
    else:
        states = bring_up(made, common, lambda _, folder: _lay_out(folder, out))
        for state in states:
            _lay_out(common.place().place("stage", STAGE, state.fingerprint), out)
    if common.as_json:
        return int(ExitCode.OK)
    if out is None:
        report(states, experiment.name, common.workspace)
    else:
        _tell(states[-1], out)
    return int(ExitCode.OK)


def _experiment(common: Common, out: Path | None) -> Experiment:
    """The experiment that is meant; none is needed where flags say what to read or where to write."""
    named = any(key.startswith("data.slides=") for key in common.sets) or out is not None
    if common.experiment is not None or LOCAL.is_file() or not named:
        return common.load()
    experiment = without_file(STAGE, CATALOG, common.sets)
    keys = experiment.base.settings(CATALOG.stage(STAGE)).identity()
    said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in keys.items() if value not in (None, "", []))
    print(f"no experiment: {said}; change one with --set {STAGE}.KEY=VALUE", file=sys.stderr)
    return experiment


def _placed(common: Common, out: Path | None) -> Common:
    return common if out is None or common.workspace != OUTPUTS else replace(common, workspace=out / KEPT)


def _lay_out(folder: Path, out: Path) -> None:
    from oceanpath.artifacts.gather import lay_out

    try:
        lay_out(folder, out)
    except OSError as error:
        raise StageError("the features could not be put there", where=out, got=error) from error


def _tell(state: State, out: Path) -> None:
    """What was made, and where it is."""
    metrics = state.manifest.summary["metrics"] if state.manifest else {}
    print(f"{metrics.get('slides', 0)} slides, {metrics.get('patches', 0)} patches in {out}")
    print(f"\nNext\n  oceanpath train --set data.features={out} --set data.labels=TABLE")


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
    from oceanpath.stages.extract.forecast import chosen, look_at, sample_speed

    found: list[Outlook] = []
    for outlook in look_at(settings, chosen(settings, inputs)):
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


def _inputs(states: list[State], common: Common) -> Inputs | None:
    """What the stage would read now; None while a parent is still to be made."""
    here = {state.step.name: state for state in states}
    step, places = states[-1].step, dict[str, Path]()
    for stage, name in step.parents.items():
        if here[name].state != "fresh":
            return None
        places[stage] = common.place().place("stage", stage, here[name].fingerprint)
    return Inputs(parents=places)


def _line(outlook: Outlook) -> str:
    if outlook.problem:
        return f"{outlook.slide_id}: would fail: {outlook.problem}"
    return f"{outlook.slide_id}: {outlook.patches} patches, mpp {outlook.mpp:g} ({outlook.mpp_source})"


def _estimate(found: list[Outlook], good: list[Outlook], speed: Speed | None) -> str:
    patches, bad = sum(outlook.patches for outlook in good), len(found) - len(good)
    said = f"{len(good)} slides, {patches} patches" + (f"; {bad} would fail" if bad else "")
    if speed is None:
        return said
    seconds = speed.seconds_for(patches) + sum(outlook.seconds for outlook in found)
    size = speed.bytes_for(patches, len(good)) / 2**20
    rate = speed.patches / speed.seconds
    sample = f"estimated from {speed.patches} patches of {speed.slide_id} just now, {rate:.0f} patches/s"
    return f"{said}\nabout {span(seconds)} and {size:.1f} MB from the start ({sample})"
