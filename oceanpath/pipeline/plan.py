"""The plan: the steps of an experiment, their order, and what determines the result of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.catalog import unknown
from oceanpath.pipeline.digests import Content, DigestCache
from oceanpath.pipeline.experiment import BASE, Experiment, Variant
from oceanpath.pipeline.fingerprint import numeric_libraries
from oceanpath.pipeline.stage import TRAINING, Stage

if TYPE_CHECKING:
    from oceanpath.settings import Settings


@dataclass(frozen=True)
class Step:
    """One stage of one or more variants, with everything that determines its result except parent outputs."""

    name: str
    """``train``, or ``train@perceiver`` if a variant differs from the base, ``mmap.b`` for the external cohort b."""
    stage: Stage
    settings: Settings
    parents: Mapping[str, str] = field(default_factory=dict)
    """Parent stage → step name; for the parents of all external cohorts, ``external.hospital_b`` → step name."""
    across: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Stage → {variant: step name}."""

    @property
    def cohort(self) -> str:
        """The external cohort of the step, or ""."""
        return self.name.partition("@")[0].partition(".")[2]

    def upstream(self) -> set[str]:
        """Names of all steps that must end before this one starts."""
        return set(self.parents.values()) | {name for steps in self.across.values() for name in steps.values()}

    def identity(self, digests: Mapping[str, str], contents: Mapping[str, Content]) -> dict[str, Any]:
        """Everything that determines the result. `digests`: output digest of each upstream step."""
        return {
            "stage": self.stage.name,
            "version": self.stage.version,
            "settings": self.settings.identity(),
            "parents": {stage: digests[name] for stage, name in self.parents.items()},
            "across": {s: {v: digests[name] for v, name in steps.items()} for s, steps in self.across.items()},
            "outside": {name: content.digest for name, content in contents.items()},
            "libraries": numeric_libraries(),
        }

    def contents(self, cache: DigestCache) -> dict[str, Content]:
        """The current content of each outside path. Raises: ExperimentError: a path does not exist."""
        return {name: cache.content(path) for name, path in self.settings.outside_paths().items()}


@dataclass(frozen=True)
class Plan:
    """Steps, parents before children."""

    experiment: Experiment
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """A step by name."""
        return next(step for step in self.steps if step.name == name)

    def mermaid(self) -> str:
        """The graph as Mermaid text."""
        ids = {step.name: step.name.replace("@", "_at_").replace("-", "_").replace(".", "_") for step in self.steps}
        lines = ["graph LR"] + [f'    {ids[step.name]}["{step.name}"]' for step in self.steps]
        for step in self.steps:
            lines += [f"    {ids[name]} --> {ids[step.name]}" for name in sorted(step.upstream())]
        return "\n".join(lines)


def plan(experiment: Experiment, targets: Iterable[str] = (), to: str = "") -> Plan:
    """The steps that bring `targets` (default: all stages of the file) up to date, or those up to the stage `to`.

    Raises: ExperimentError: an unknown stage, stages that need each other, or no stage.
    """
    catalog, wanted = experiment.catalog, _wanted(experiment, targets, to)
    of_cohorts = [stage.name for stage in catalog.stages if stage.name in wanted and stage.cohorts == "only"]
    planned = [(variant, wanted) for variant in experiment.variants]
    planned += [(c, _closure(c, of_cohorts)) for v in experiment.variants for c in v.cohorts.values()]
    every = set().union(*(names for _, names in planned))
    steps: dict[str, Step] = {}
    names_of: NamesOf = {}
    for stage in _sorted([stage for stage in catalog.stages if stage.name in every]):
        for variant, own in planned:
            if stage.name in own and _has_step(variant, stage):
                step = _step(experiment, stage, variant, names_of)
                names_of[stage.name, variant.name, variant.cohort] = step.name
                steps.setdefault(step.name, step)
    return Plan(experiment, tuple(steps.values()))


def is_sealed(experiment: Experiment, stage: Stage) -> bool:
    """Whether a sealed test keeps a stage from running."""
    return bool(stage.sealed_by) and experiment.base.value(stage.sealed_by) is True


def _wanted(experiment: Experiment, targets: Iterable[str], to: str) -> set[str]:
    """The stages to plan."""
    catalog = experiment.catalog
    requested = [name for name in experiment.requested_stages() if not is_sealed(experiment, catalog.stage(name))]
    names = list(targets) or requested
    for name in [*names, *([to] if to else [])]:
        catalog.stage(name)
    wanted = _closure(experiment.base, names)
    if to and to not in wanted:
        raise unknown("stage of this experiment", to, sorted(wanted), experiment.path.name)
    if to:
        wanted = _closure(experiment.base, [to])
    if not wanted:
        raise ExperimentError(
            "the experiment has no stage", where=experiment.path.name, do="Add the table of a stage, such as [train]."
        )
    of_cohorts = any(catalog.stage(name).cohorts == "only" for name in names)
    if of_cohorts and catalog.cohorts and not any(variant.cohorts for variant in experiment.variants):
        do = f"Add a table [[{catalog.cohorts.table}.{catalog.cohorts.key}]]."
        raise ExperimentError("the experiment has no external cohort", where=experiment.path.name, do=do)
    return wanted


NamesOf = dict[tuple[str, str, str], str]
"""(stage, variant, external cohort or "") → step name."""


def _has_step(variant: Variant, stage: Stage) -> bool:
    """Whether a stage has a step for this cohort: the experiment's own, or an external one."""
    return bool(stage.cohorts) if variant.cohort else stage.cohorts != "only"


def _closure(variant: Variant, names: Iterable[str]) -> set[str]:
    """`names` and all their parents; optional parents only where the file requests them."""
    closure: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in closure:
            closure.add(name)
            queue += [parent.removeprefix(TRAINING) for parent in _parents(variant, variant.catalog.stage(name))]
    return closure


def _parents(variant: Variant, stage: Stage) -> list[str]:
    return stage.parents(lambda name: _is_used(variant, name))


def _is_used(variant: Variant, parent: str) -> bool:
    """Whether the file requests an optional parent."""
    owner = variant.training or variant if parent.startswith(TRAINING) else variant
    return owner.has(variant.catalog.stage(parent.removeprefix(TRAINING)))


def _parent_steps(variant: Variant, stage: Stage, names_of: NamesOf) -> dict[str, str]:
    """Parent → step name."""
    steps = dict[str, str]()
    for key in _parents(variant, stage):
        parent = variant.catalog.stage(key.removeprefix(TRAINING))
        if parent.cohorts == "only":
            steps |= {f"{key}.{cohort}": names_of[key, variant.name, cohort] for cohort in variant.cohorts}
        else:
            cohort = variant.cohort if parent.cohorts and key == parent.name else ""
            steps[key] = names_of[parent.name, variant.name, cohort]
    return steps


def _step(experiment: Experiment, stage: Stage, variant: Variant, names_of: NamesOf) -> Step:
    """The step of a variant; the step of the base if they do not differ."""
    parents = _parent_steps(variant, stage, names_of)
    across = {s: {v.name: names_of[s, v.name, ""] for v in experiment.variants} for s in stage.across}
    settings, name = variant.settings(stage), ".".join(filter(None, (stage.name, variant.cohort)))
    base = experiment.base.cohorts.get(variant.cohort) if variant.cohort else experiment.base
    if variant.name != BASE and base is not None:
        same = Step(name, stage, base.settings(stage), _parent_steps(base, stage, names_of), across)
        if (same.settings, same.parents) == (settings, parents):
            return same
    return Step(name if variant.name == BASE else f"{name}@{variant.name}", stage, settings, parents, across)


def _sorted(stages: list[Stage]) -> list[Stage]:
    """Stages with parents before children. Raises: ExperimentError: the stages form a cycle."""
    by_name = {stage.name: stage for stage in stages}
    order = TopologicalSorter({stage.name: sorted(stage.all_parents() & by_name.keys()) for stage in stages})
    try:
        return [by_name[name] for name in order.static_order()]
    except CycleError as error:  # each stage in its list needs the one before it
        raise ExperimentError("stages depend on each other in a cycle", got=" -> ".join(error.args[1][::-1])) from error
