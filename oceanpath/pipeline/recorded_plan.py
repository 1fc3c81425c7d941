"""Plans of earlier runs, so that a run with nothing to do does not validate its experiment again.

    plans/<experiment>.json   {"key", "experiment", "path", "cohorts", "comparable", "steps", "seal"}

The plan of all stages is a function of the layers of the experiment, the code of OceanPath and the installed packages.
The key is a digest of all of them, so that no plan is used after a change of any; a plan that depends on anything else
is not recorded. See docs/decisions/0046-recorded-plans.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import oceanpath
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.catalog import Catalog
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.fingerprint import metadata_folders
from oceanpath.pipeline.layers import TABLE, Layer, Text
from oceanpath.pipeline.plan import Plan, Step
from oceanpath.pipeline.processes import process_tag, token
from oceanpath.plugins import loaded_plugins

if TYPE_CHECKING:
    from oceanpath.settings import Settings

FOLDER = "plans"
RACY_NS = 2_000_000_000
"""Code that was changed within this time before a plan is recorded may change again without a new time."""


@dataclass(frozen=True)
class RecordedSettings:
    """The parts of a step's settings that determine whether its result is published."""

    values: Mapping[str, Any]
    paths: Mapping[str, str]

    def identity(self) -> dict[str, Any]:
        """As `Settings.identity`."""
        return dict(self.values)

    def outside_paths(self) -> dict[str, Path]:
        """As `Settings.outside_paths`."""
        return {name: Path(path) for name, path in self.paths.items()}


@dataclass(frozen=True)
class RecordedPlan:
    """A plan whose steps have recorded settings: it can be compared with published results, but not run."""

    plan: Plan
    """Its experiment has a name and a path, but no variants."""
    cohorts: frozenset[str]
    """Names of all external cohorts."""
    comparable: bool
    """Whether the report proposes a comparison with the simplest aggregator."""


def plan_key(text: Text, over: Layer, workspace: Path) -> str:
    """Digest of everything that a plan depends on.

    Args:
        text: The experiment file and the files that it extends.
        over: Overrides on the command line.
        workspace: Root of the workspace.
    """
    own = [["", _rows({**text.layer, **over})], *([name, _rows(layer)] for name, layer in text.variants)]
    surroundings = [str(text.path), str(workspace), str(Path.home())]
    packages = [sys.version, *metadata_folders()]
    return _digest(ascii([own, _rows(over), surroundings, packages, code_versions()]))


def read_recorded(workspace: Path, name: str, key: str, catalog: Catalog) -> RecordedPlan | None:
    """The recorded plan of an experiment with this key; None if there is none, or the file is damaged."""
    try:
        record = json.loads((workspace / FOLDER / f"{name}.json").read_bytes())
        if record["key"] != key or record.pop("seal") != _seal(record):
            return None
        steps = tuple(_step(each, catalog) for each in record["steps"])
        experiment = Experiment(record["experiment"], Path(record["path"]), catalog, ())
        return RecordedPlan(Plan(experiment, steps), frozenset(record["cohorts"]), record["comparable"])
    except (ExperimentError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def record_plan(plan: Plan, key: str, workspace: Path, *, comparable: bool) -> None:
    """Record a plan, unless it depends on more than its key. Errors of the system are ignored: nothing is lost."""
    if not is_recordable(plan):
        return
    record: dict[str, Any] = {
        "key": key,
        "experiment": plan.experiment.name,
        "path": str(plan.experiment.path),
        "cohorts": sorted({name for variant in plan.experiment.variants for name in variant.cohorts}),
        "comparable": comparable,
        "steps": [_entry(step) for step in plan.steps],
    }
    final = workspace / FOLDER / f"{plan.experiment.name}.json"
    partial = final.with_name(f".{final.name}.{process_tag()}.{token()}")
    with suppress(OSError):
        final.parent.mkdir(exist_ok=True)
        partial.write_text(json.dumps(record | {"seal": _seal(record)}), encoding="utf-8")
        partial.replace(final)


def is_recordable(plan: Plan) -> bool:
    """Whether the key determines the plan: no plug-in, old key, name of a published result or file read by settings."""
    experiment = plan.experiment
    named = any(
        f"{stage.name}.{key}" in variant.layer
        for variant in experiment.variants
        for stage in experiment.catalog.stages
        if stage.name in variant.layer
        for key in stage.settings_class.published_keys()
    )
    reads = any(step.settings.reads_files() for step in plan.steps)
    is_settled = time.time_ns() - max(changed for *_, changed in code_versions()) > RACY_NS
    return is_settled and not (reads or named or loaded_plugins() or experiment.replaced())


def _seal(record: Mapping[str, Any]) -> str:
    """Digest of a record without its seal."""
    return _digest(json.dumps(record, sort_keys=True))


def _digest(text: str) -> str:
    """Digest of ASCII text: names of files may contain characters that no encoding has."""
    return hashlib.blake2b(text.encode("ascii"), digest_size=16).hexdigest()


def _entry(step: Step) -> dict[str, Any]:
    """A step as JSON values."""
    paths = {name: str(path) for name, path in step.settings.outside_paths().items()}
    return {
        "name": step.name,
        "stage": step.stage.name,
        "settings": step.settings.identity(),
        "paths": paths,
        "parents": dict(step.parents),
        "across": {stage: dict(steps) for stage, steps in step.across.items()},
    }


def _step(entry: Mapping[str, Any], catalog: Catalog) -> Step:
    settings = cast("Settings", RecordedSettings(entry["settings"], entry["paths"]))  # sufficient for a comparison
    return Step(entry["name"], catalog.stage(entry["stage"]), settings, entry["parents"], entry["across"])


def _rows(layer: Layer) -> list[list[str]]:
    """The keys of a layer with their values and the folders to which paths refer."""
    return [[key, "" if each.value is TABLE else repr(each.value), str(each.base)] for key, each in layer.items()]


@cache
def code_versions() -> list[tuple[str, int, int]]:
    """Path, size and time [ns] of every module of OceanPath."""
    return sorted(_modules(Path(oceanpath.__file__).parent))


def _modules(folder: str | Path) -> Iterator[tuple[str, int, int]]:
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            state = entry.stat()
            yield entry.path, state.st_size, state.st_mtime_ns
        elif entry.is_dir() and entry.name != "__pycache__":
            yield from _modules(entry.path)
