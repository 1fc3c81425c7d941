"""The preflight: reports all problems of an experiment that can be detected before any work.

Each stage that declares a `preflight` checks its settings and what its parents have published or are expected to
publish. Every outside input must exist, and the disk must have space for the expected results.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.pipeline.plan import Plan, Step, is_sealed
from oceanpath.pipeline.stage import ParentSources, Preview, resolve


@dataclass(frozen=True)
class PreflightResult:
    """The problems and notes of a preflight."""

    problems: list[OceanPathError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: list[OceanPathError] = field(default_factory=list)
    """Missing inputs, if none of the outside inputs exists because the data is on another machine."""


def run_preflight(
    plan: Plan, published: Mapping[str, Path], root: Path | None = None, *, verify: bool = True
) -> PreflightResult:
    """Check every step of a plan that is not published.

    Args:
        plan: The steps, parents first.
        published: Step → its folder, for the steps whose results are published.
        root: The workspace, whose disk must have enough space.
        verify: Whether published files are compared with their digests before they are read.
    """
    left = [step for step in plan.steps if step.name not in published]
    missing = {path: error for step in left for path, error in _missing(step).items()}
    present = any(path.exists() for step in left for path in step.settings.outside_paths().values())
    previews: dict[str, Preview] = {}
    for step in left:
        if step.stage.preflight:
            expected = {name: preview.expected for name, preview in previews.items()}
            preview = _inspect(step, published, expected, verify=verify)
            previews[step.name] = _of_cohort(preview, step, plan)
    problems = [problem for preview in previews.values() for problem in preview.problems]
    problems += _sealed_problems(plan, left)
    problems += _disk_problems(previews, root)
    notes = list(dict.fromkeys(note for preview in previews.values() for note in preview.notes))
    absent = list(missing.values())
    if absent and not present and not problems:
        return PreflightResult(problems, notes, absent)
    return PreflightResult([*absent, *problems], notes)


def _inspect(step: Step, published: Mapping[str, Path], expected: Mapping[str, Any], *, verify: bool) -> Preview:
    """The report of a stage; an error that it raises becomes one of its problems."""
    sources = ParentSources(
        names=frozenset(step.parents),
        parents={stage: published[name] for stage, name in step.parents.items() if name in published},
        expected={stage: expected[name] for stage, name in step.parents.items() if expected.get(name) is not None},
        verify=verify,
    )
    try:
        preview: Preview = resolve(step.stage.preflight)(step.settings, sources)
    except OceanPathError as error:
        return Preview(problems=error.each or (error,))
    return preview


def _of_cohort(preview: Preview, step: Step, plan: Plan) -> Preview:
    """The report of a step of an external cohort, whose problems and notes name the cohort."""
    cohorts = plan.experiment.catalog.cohorts
    if not step.cohort or cohorts is None:
        return preview
    context = f"[[{cohorts.table}.{cohorts.key}]] {step.cohort}"
    problems = tuple(problem.within(context) for problem in preview.problems)
    return replace(preview, problems=problems, notes=tuple(f"{context}: {note}" for note in preview.notes))


def _missing(step: Step) -> dict[Path, OceanPathError]:
    """Outside inputs that do not exist, with an error for each."""
    keys = step.settings.shared_keys()
    own = f"{step.stage.name}."
    return {
        path: ExperimentError(
            "there is no such file or folder", where=path, do=f"Set {keys.get(name, own + name)} to the correct path."
        )
        for name, path in step.settings.outside_paths().items()
        if not path.exists()
    }


def _sealed_problems(plan: Plan, steps: Iterable[Step]) -> list[OceanPathError]:
    """An error for each step that would predict sealed test slides."""
    do = "Reveal the test with `oceanpath eval --reveal` when all models and the analysis plan are final."
    return [
        ExperimentError("the test is sealed", where=step.name, got=f"{step.stage.sealed_by} = true", do=do)
        for step in steps
        if is_sealed(plan.experiment, step.stage)
    ]


def _disk_problems(previews: Mapping[str, Preview], root: Path | None) -> list[OceanPathError]:
    """An error if the disk has less free space than the minimum that the steps will write."""
    needed = {name: preview.bytes for name, preview in previews.items() if preview.bytes}
    folder = next((path for path in (root, *root.parents) if path.exists()), None) if root else None
    if not needed or folder is None:
        return []
    free = shutil.disk_usage(folder).free
    if sum(needed.values()) <= free:
        return []
    each = ", ".join(f"{name} {_size(count)}" for name, count in needed.items())
    expected, got = f"at least {_size(sum(needed.values()))} ({each})", f"{_size(free)} free"
    do = "Free disk space, or choose another disk with --workspace."
    return [ExperimentError("not enough disk space", where=root, expected=expected, got=got, do=do)]


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
