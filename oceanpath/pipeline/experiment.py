"""An experiment: a TOML file validated against the catalog of stages, with its variants and overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oceanpath.errors import ExperimentError, OceanPathError, collected, refuse, together
from oceanpath.pipeline import layers
from oceanpath.pipeline.catalog import Catalog, Table, unknown
from oceanpath.pipeline.layers import Layer, Text, Value
from oceanpath.pipeline.stage import TRAINING, Stage

if TYPE_CHECKING:
    from oceanpath.settings import Settings

BASE = "base"
COHORT = "cohort"
"""The shared key with the name of the external cohort of a step, or "" for the experiment's own cohort."""
STAGE = "stage"
"""First part of a shared key that states whether the file has a table for the stage in its second part."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Variant:
    """One variant of the file, with all values resolved."""

    name: str
    layer: Layer
    shared: Mapping[str, Settings]
    """Validated shared tables."""
    scalars: Mapping[str, Any]
    catalog: Catalog
    workspace: Path | None = None
    """Root of the workspace, in which experiments and fingerprints are looked up."""
    cohort: str = ""
    """Name of an external cohort, if these are the settings of its steps."""
    cohorts: Mapping[str, Variant] = field(default_factory=dict)
    """External cohort → the settings of its steps."""
    training: Variant | None = None
    """The settings of the experiment's own cohort, if these are of an external one."""
    _validated: dict[str, Settings] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Stage → its settings, validated once."""

    def value(self, key: str) -> Any:
        """The value of a dotted shared key, such as ``seed``, ``model``, ``data.label`` or ``mmap.dtype``.

        ``stage.curate`` states whether the file has that table. ``training.data.label`` is the value for the
        experiment's own cohort, ``cohort`` the name of the external one.
        """
        if key == COHORT:
            return self.cohort
        if key.startswith(TRAINING):
            return (self.training or self).value(key.removeprefix(TRAINING))
        table, _, name = key.partition(".")
        if table == STAGE:
            return name in self.layer and (not self.cohort or bool(self.catalog.stage(name).cohorts))
        if table in self.scalars:
            return self.scalars[table]
        if table in self.shared:
            return getattr(self.shared[table], name) if name else self.shared[table]
        stage = self.catalog.stage(table)
        fields = stage.settings_class.model_fields
        if name in stage.settings_class.own_keys() and table not in self.layer:  # the default, unvalidated
            return fields[name].get_default(call_default_factory=True)
        return getattr(self.settings(stage), name) if name else self.settings(stage)

    def has(self, stage: Stage) -> bool:
        """Whether the file requests this stage: by its table or its `when` key; for external cohorts, by the key."""
        key, _, expected = stage.when.partition("=")
        value = self.value(key) if key and self._is_used(key) else None
        by_key = value == expected if expected else bool(value)
        return by_key and bool(stage.cohorts) if self.cohort else by_key or stage.name in self.layer

    def _is_used(self, key: str) -> bool:
        """False for a key of a stage that the file does not request: it has its default, and is not imported for it."""
        table, _, name = key.removeprefix(TRAINING).partition(".")
        return not name or all(self.has(stage) for stage in self.catalog.stages if stage.name == table)

    def settings(self, stage: Stage) -> Settings:
        """The settings of `stage`, checked. Raises: ExperimentError: names table, key and nearest known key."""
        if stage.name not in self._validated:
            self._validated[stage.name] = self._validate(stage)
        return self._validated[stage.name]

    def _validate(self, stage: Stage) -> Settings:
        own = layers.table(self.layer, stage.name)
        refuse(_unknown_keys(own, stage.settings_class.own_keys(), stage.name))
        if self.cohort:
            own = {key: value for key, value in own.items() if stage.applies_to_cohorts(key.split(".")[0])}
        paths = stage.settings_class.path_keys()
        absolute = {key: replace(v, value=self._paths(v, stage, key)) for key, v in own.items() if key in paths}
        values = layers.unflatten({**own, **absolute})
        for name, key in stage.settings_class.shared_keys().items():
            if self._is_used(key) or stage.settings_class.model_fields[name].is_required():
                values[name] = self.value(key)
        return validated(stage.settings_class.model_validate, values, own, stage.name)

    def _paths(self, value: Value, stage: Stage, key: str) -> Path | list[Path]:
        """The path in a value, or the paths in a list; a published result where the key permits its name.

        Raises: ExperimentError: there is neither a path nor a result of that name.
        """
        if isinstance(value.value, list):
            problems, each = list[OceanPathError](), list[Path]()
            for item in value.value:
                with collected(problems):
                    each.append(self._path(replace(value, value=item), stage, key))
            refuse(problems)
            return each
        return self._path(value, stage, key)

    def _path(self, value: Value, stage: Stage, key: str) -> Path:
        path, place = _absolute(value), stage.settings_class.published_keys().get(key)
        if place is None:
            return path
        # a folder next to the file often has the name of an experiment, so a folder is given with a separator
        is_path = (path.is_dir() and os.sep in str(value.value)) if place.endswith("/") else path.is_file()
        return path if is_path else find_published(value, place, self.workspace, stage.name, key)


@dataclass(frozen=True)
class Experiment:
    """A named set of variants over one catalog; the first variant is the base."""

    name: str
    path: Path
    catalog: Catalog
    variants: tuple[Variant, ...]

    @property
    def base(self) -> Variant:
        """The file without any variant."""
        return self.variants[0]

    def replaced(self) -> list[str]:
        """A line for each old key that the file or an override sets, with the key that replaces it."""
        return sorted(
            {
                f"{variant.layer[f'{stage.name}.{old}'].origin}: {stage.name}.{old} has no effect; set {new} instead"
                for variant in self.variants
                for stage in self.catalog.stages
                if stage.name in variant.layer
                for old, new in stage.settings_class.replaced_keys().items()
                if f"{stage.name}.{old}" in variant.layer
            }
        )

    def requested_stages(self) -> list[str]:
        """Names of the stages that the file requests, in flow order."""
        return [stage.name for stage in self.catalog.stages if self.base.has(stage)]


def load(path: Path, catalog: Catalog, sets: tuple[str, ...] = (), workspace: Path | None = None) -> Experiment:
    """Read and check an experiment file; other experiments that it names are looked up in `workspace`.

    Raises: ExperimentError: unknown or invalid keys, each with file, table, key and nearest known key.
    """
    text = layers.read(path)
    over = layers.overrides(sets)
    name = experiment_name(text, path)
    labelled = [(BASE, {**text.layer, **over})]
    labelled += [(label, {**text.layer, **layer, **over}) for label, layer in text.variants]
    variants, problems = list[Variant](), list[OceanPathError]()
    for label, layer in labelled:
        with collected(problems):
            variants.append(_variant(label, layer, catalog, workspace))
    refuse(problems)
    return Experiment(name, text.path, catalog, tuple(variants))


def experiment_name(text: Text, path: Path) -> str:
    """The name in an experiment file, or that of the file.

    Raises: ExperimentError: it is not usable as a folder name.
    """
    name = str(text.layer["name"].value) if "name" in text.layer else path.stem
    if not NAME.fullmatch(name):
        raise ExperimentError("the experiment's name must be usable as a folder name", where=path.name, got=name)
    return name


def without_file(name: str, catalog: Catalog, sets: tuple[str, ...] = ()) -> Experiment:
    """An experiment without a file: the default of every key, overridden by `sets`.

    Raises: ExperimentError: an unknown or invalid key.
    """
    return Experiment(name, Path(name), catalog, (_variant(BASE, layers.overrides(sets), catalog),))


def _variant(label: str, layer: Layer, catalog: Catalog, workspace: Path | None = None) -> Variant:
    """A variant and its external cohorts, with all tables checked, also those of stages that do not run.

    Raises: ExperimentError: unknown keys or invalid values, all of them in one error.
    """
    variant = _checked(Variant(label, layer, {}, {}, catalog, workspace))
    if catalog.cohorts is None:
        return variant
    cohorts, problems = dict[str, Variant](), list[OceanPathError]()
    for name, own in catalog.cohorts.layers(layer).items():
        with collected(problems):
            cohorts[name] = _checked(replace(variant, layer=own, cohort=name, training=variant))
    refuse(problems)
    return replace(variant, cohorts=cohorts)


def _checked(variant: Variant) -> Variant:
    """A variant with its tables read and checked.

    Raises: ExperimentError: unknown keys or invalid values, all of them in one error.
    """
    layer, catalog = variant.layer, variant.catalog
    problems = _unknown_tables(layer, catalog)
    scalars = {key: layer[key].value if key in layer else default for key, default in catalog.scalars.items()}
    shared: dict[str, Settings] = {}
    for name, table in catalog.tables.items():
        shared[name] = table.parse({})  # the default, so that stages are also checked if this table is wrong
        with collected(problems):
            shared[name] = _shared(name, layer, table)
    variant = replace(variant, shared=shared, scalars=scalars)
    for stage in catalog.stages:
        if variant.cohort and not stage.cohorts:
            continue
        with collected(problems):
            if stage.name in layer:
                variant.settings(stage)
    refuse(problems)
    return variant


def _unknown_tables(layer: Layer, catalog: Catalog) -> list[OceanPathError]:
    problems: list[OceanPathError] = []
    stages = [stage.name for stage in catalog.stages]
    scalars = ["name", *catalog.scalars]
    for key, value in layer.items():
        if value.value is layers.TABLE and key not in (*stages, *catalog.tables):
            problems.append(unknown("table", key, [*stages, *catalog.tables], value.origin))
        if "." not in key and value.value is not layers.TABLE and key not in scalars:
            problems.append(unknown("key", key, [*scalars, *stages, *catalog.tables], value.origin))
    return problems


def _unknown_keys(own: Layer, known: list[str], table: str) -> list[OceanPathError]:
    """An error for each unknown key of a table."""
    top_level = {key.split(".")[0]: value for key, value in own.items()}
    return [unknown("key", k, known, f"{value.origin} [{table}]") for k, value in top_level.items() if k not in known]


def _shared(name: str, layer: Layer, table: Table) -> Settings:
    own = layers.table(layer, name)
    if table.keys is not None:
        refuse(_unknown_keys(own, table.keys.own_keys(), name))
    root = _absolute(own["root"]) if "root" in own else None
    paths = table.keys.path_keys() if table.keys else []
    absolute = {key: replace(value, value=_absolute(value, root)) for key, value in own.items() if key in paths}
    return validated(table.parse, layers.unflatten({**own, **absolute}), own, name)


def _absolute(value: Value, root: Path | None = None) -> Path:
    """A path, relative to `root` if there is one, otherwise to the folder of the file that contains it."""
    return (root or value.base) / Path(str(value.value)).expanduser()


def find_published(value: Value, place: str, workspace: Path | None, table: str, key: str) -> Path:
    """The file of a result that is named by its experiment, or by the beginning of its fingerprint.

    Args:
        value: The value of the key.
        place: Stage and file, as ``"pretrain/aggregator.safetensors"``, or ``"split/"`` for its folder.
        workspace: Where to look; None: nowhere.
        table: Table of the key, for the error.
        key: The key.

    Raises: ExperimentError: there is no such result.
    """
    name, (stage, _, file) = str(value.value), place.partition("/")
    if workspace is not None and NAME.fullmatch(name):
        link = workspace / "experiments" / name / stage
        results = [link] if link.exists() else sorted((workspace / "runs" / stage).glob(f"{name}*"))
        if len(results) == 1 and (results[0] / file).exists():
            return (results[0] / file).resolve()
    path = f"a file {file}" if file else "a folder"
    expected = f"{path}, an experiment of the workspace with [{stage}], or the fingerprint of its result"
    raise ExperimentError(
        "there is no such result", where=f"{value.origin} [{table}] {key}", expected=expected, got=name
    )


def validated(parse: Callable[..., Settings], values: dict[str, Any], own: Layer, table: str) -> Settings:
    """Run a pydantic validation and raise all its problems as one ExperimentError."""
    from pydantic import ValidationError  # a run with nothing to do validates nothing

    try:
        return parse(values)
    except ValidationError as error:
        raise together([_explain(problem, own, table) for problem in error.errors(include_url=False)]) from error
    except ExperimentError as error:
        raise together([_with_origin(each, own, table) for each in error.each or (error,)]) from error


def _with_origin(error: OceanPathError, own: Layer, table: str) -> OceanPathError:
    """The same error, after the file or option that set the value if its location begins with ``[table] key``."""
    named, _, key = error.where.partition(" ")
    if named != f"[{table}]" or not (origin := _origin(own, key)):
        return error
    return type(error)(error.what, where=f"{origin} {error.where}", expected=error.expected, got=error.got, do=error.do)


def _origin(own: Layer, key: str) -> str:
    """The file or option that set a key, or a key of the same sub-table; "" if none did."""
    near = [name for name in own if name.split(".")[0] == key.split(".")[0]]
    return own[key if key in own else near[0]].origin if near else ""


def _explain(problem: Any, own: Layer, table: str) -> ExperimentError:
    """A problem of pydantic, with the file or option that set the value."""
    key = ".".join(str(part) for part in problem["loc"])
    where = f"{_origin(own, key)} [{table}] {key}".strip()
    text = problem["msg"].removeprefix("Value error, ")
    got = "" if problem["type"] == "missing" or not key else repr(problem.get("input"))
    return ExperimentError(text[:1].lower() + text[1:], where=where, got=got)
