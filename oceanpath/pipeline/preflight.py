"""What is wrong with an experiment as far as that can be known without any work: all of it, at once.

Each stage that declares a `preflight` looks at its settings and at what its parents have published or are expected to
publish. Every outside input must be there, and the disk must take what the stages foresee.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.pipeline.plan import Plan, Step
from oceanpath.pipeline.stage import ParentSources, Preview, resolve


@dataclass(frozen=True)
class PreflightResult:
    """What a look ahead found."""

    problems: list[OceanPathError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: list[OceanPathError] = field(default_factory=list)
    """Problems because nothing that lies outside is there: the experiment's data is on another machine."""


def run_preflight(
    plan: Plan, published: Mapping[str, Path], root: Path | None = None, *, verify: bool = True
) -> PreflightResult:
    """Check every step of a plan that is not published.

    Args:
        plan: The steps, parents first.
        published: Step → its folder, for those whose result is there.
        root: The workspace, for the space on its disk.
        verify: Whether published files are compared with their digests before they are read.
    """
    left = [step for step in plan.steps if step.name not in published]
    missing = {path: error for step in left for path, error in _missing(step).items()}
    present = any(path.exists() for step in left for path in step.settings.outside_paths().values())
    outlooks: dict[str, Preview] = {}
    for step in left:
        if step.stage.preflight:
            expected = {name: seen.expected for name, seen in outlooks.items()}
            outlooks[step.name] = _inspect(step, published, expected, verify=verify)
    problems = [problem for outlook in outlooks.values() for problem in outlook.problems]
    problems += _full(outlooks, root)
    notes = list(dict.fromkeys(note for outlook in outlooks.values() for note in outlook.notes))
    absent = list(missing.values())
    if absent and not present and not problems:
        return PreflightResult(problems, notes, absent)
    return PreflightResult([*absent, *problems], notes)


def _inspect(step: Step, published: Mapping[str, Path], expected: Mapping[str, Any], *, verify: bool) -> Preview:
    """What a stage reports; a problem that it raises counts like one that it returns."""
    sources = ParentSources(
        names=frozenset(step.parents),
        parents={stage: published[name] for stage, name in step.parents.items() if name in published},
        expected={stage: expected[name] for stage, name in step.parents.items() if expected.get(name) is not None},
        verify=verify,
    )
    try:
        outlook: Preview = resolve(step.stage.preflight)(step.settings, sources)
    except OceanPathError as error:
        return Preview(problems=error.each or (error,))
    return outlook


def _missing(step: Step) -> dict[Path, OceanPathError]:
    """Outside inputs that are not there."""
    keys = step.settings.shared_keys()
    own = f"{step.stage.name}."
    return {
        path: ExperimentError(
            "there is no such file or folder", where=path, do=f"Set {keys.get(name, own + name)} to where it is."
        )
        for name, path in step.settings.outside_paths().items()
        if not path.exists()
    }


def _full(outlooks: Mapping[str, Preview], root: Path | None) -> list[OceanPathError]:
    """A disk that cannot take what the steps will at least write."""
    wanted = {name: outlook.bytes for name, outlook in outlooks.items() if outlook.bytes}
    place = next((folder for folder in (root, *root.parents) if folder.exists()), None) if root else None
    if not wanted or place is None:
        return []
    free = shutil.disk_usage(place).free
    if sum(wanted.values()) <= free:
        return []
    each = ", ".join(f"{name} {_size(count)}" for name, count in wanted.items())
    expected, got = f"at least {_size(sum(wanted.values()))} ({each})", f"{_size(free)} free"
    do = "Free some space, or choose another disk with --workspace."
    return [ExperimentError("the disk is too small", where=root, expected=expected, got=got, do=do)]


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
