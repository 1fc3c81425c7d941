"""What an experiment may contain: stages, tables that several of them use, and top-level keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from oceanpath.errors import ExperimentError, nearest
from oceanpath.pipeline.cohorts import ExternalCohorts
from oceanpath.pipeline.stage import Stage, resolve

if TYPE_CHECKING:
    from oceanpath.settings import Settings


@dataclass(frozen=True)
class Table:
    """A table whose keys several stages use. Its class and function are named as ``"module:name"``."""

    settings: str = ""
    """Its settings class, if the keys do not depend on the values."""
    parser: str = ""
    """A function from values to settings; empty: validation by `settings`."""

    @cached_property
    def keys(self) -> type[Settings] | None:
        """Its settings class, imported on first use."""
        return resolve(self.settings) if self.settings else None

    def parse(self, values: dict[str, Any]) -> Settings:
        """The settings of a table. Raises: ValidationError, ExperimentError: values are wrong."""
        if self.parser:
            parse: Callable[[dict[str, Any]], Settings] = resolve(self.parser)
            return parse(values)
        assert self.keys is not None, "a table has a settings class or a parser"
        return self.keys.model_validate(values)


@dataclass(frozen=True)
class Catalog:
    """Everything that an experiment may contain: the stages in flow order, and the tables that several of them use."""

    stages: tuple[Stage, ...]
    tables: Mapping[str, Table]
    scalars: Mapping[str, Any]
    """Top-level keys with their defaults, such as ``seed``."""
    cohorts: ExternalCohorts | None = None

    def stage(self, name: str) -> Stage:
        """A stage by name. Raises: ExperimentError: there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise unknown("stage", name, [stage.name for stage in self.stages], "")


def unknown(kind: str, name: str, known: list[str], where: str) -> ExperimentError:
    """An error for an unknown name, with the nearest known one."""
    close = nearest(name, known)
    do = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(sorted(known))}."
    return ExperimentError(f"unknown {kind} '{name}'", where=where, do=do)
