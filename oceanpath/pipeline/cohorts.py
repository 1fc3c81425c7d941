"""External cohorts of an experiment: named sets of keys that replace those of one table, for some of the stages.

Such a cohort has steps of its own, such as ``mmap.hospital_b``, whose settings are those of the experiment with the
keys of the cohort in the table. The steps of the experiment's own cohort do not depend on them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from oceanpath.errors import ExperimentError
from oceanpath.pipeline import layers
from oceanpath.pipeline.layers import Layer, Value

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class DroppedKeys(Protocol):
    """``dropped(own)``: keys of the table that do not apply to a cohort that sets the keys `own`."""

    def __call__(self, own: Collection[str], /) -> Collection[str]:
        """These keys."""


@dataclass(frozen=True)
class ExternalCohorts:
    """Where experiments list their external cohorts."""

    table: str
    """Table whose keys a cohort replaces, such as ``data``."""
    key: str
    """Key of that table with the list of cohorts."""
    dropped: DroppedKeys

    def layers(self, layer: Layer) -> dict[str, Layer]:
        """Name → the layer of each cohort.

        Raises: ExperimentError: a cohort has no usable name, or two have the same.
        """
        listed = layer.get(f"{self.table}.{self.key}")
        if listed is None or not isinstance(listed.value, list):
            return {}
        derived: dict[str, Layer] = {}
        for entry in listed.value:
            name = str(entry.get("name", "")) if isinstance(entry, dict) else ""
            where = f"{listed.origin} [[{self.table}.{self.key}]]"
            if not NAME.fullmatch(name):
                expected = "letters, digits, _ and -, beginning with a letter or digit"
                what = "an external cohort needs a name that is usable as a folder name"
                raise ExperimentError(what, where=where, expected=expected, got=repr(name))
            if name in derived:
                raise ExperimentError("two external cohorts have the same name", where=where, got=name)
            own = {key: value for key, value in entry.items() if key != "name"}
            derived[name] = self._layer(layer, own, Value(None, f"{listed.origin} external cohort {name}", listed.base))
        return derived

    def _layer(self, layer: Layer, own: dict[str, object], source: Value) -> Layer:
        dropped = {f"{self.table}.{key}" for key in (self.key, *self.dropped(own.keys()))}
        kept = {key: value for key, value in layer.items() if key not in dropped}
        return {**kept, **layers.flatten({self.table: own}, source.origin, source.base)}
