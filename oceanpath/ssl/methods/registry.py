"""Names of methods, and the type of a settings key that selects one. Torch is imported only by `build_method`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic_core import CoreSchema

from oceanpath.errors import nearest
from oceanpath.ssl.methods import settings as known
from oceanpath.ssl.methods.settings import MethodSettings

if TYPE_CHECKING:
    from oceanpath.models.base import BaseMIL
    from oceanpath.ssl.methods.base import Method


class Entry(NamedTuple):
    """One method: its settings class, and its module as ``"module:Class"``."""

    settings: type[MethodSettings]
    where: str


METHODS = {
    "vicreg": Entry(known.VICRegSettings, "oceanpath.ssl.methods.vicreg:VICReg"),
    "simclr": Entry(known.SimCLRSettings, "oceanpath.ssl.methods.simclr:SimCLR"),
    "byol": Entry(known.BYOLSettings, "oceanpath.ssl.methods.byol:BYOL"),
    "dino": Entry(known.DINOSettings, "oceanpath.ssl.methods.dino:DINO"),
    "jepa": Entry(known.JEPASettings, "oceanpath.ssl.methods.jepa:JEPA"),
    "lejepa": Entry(known.LeJEPASettings, "oceanpath.ssl.methods.distribution:LeJEPA"),
    "visreg": Entry(known.VISRegSettings, "oceanpath.ssl.methods.distribution:VISReg"),
    "supervised": Entry(known.SupervisedSettings, "oceanpath.ssl.methods.supervised:Supervised"),
}
"""All methods by name."""


def parse_method(value: Any) -> MethodSettings:
    """The settings of a method from its name, or from a table of its name and its settings.

    Raises: ValueError: it is neither, or there is no such method. pydantic.ValidationError: a setting is wrong.
    """
    if isinstance(value, MethodSettings):
        return value
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
        raise ValueError("expected the name of a method, or a table with its name and settings")
    if table["name"] not in METHODS:
        close = nearest(table["name"], METHODS)
        raise ValueError(f"unknown method; expected {', '.join(close[:1] or METHODS)}")
    return METHODS[table["name"]].settings.model_validate(dict(table))


def build_method(settings: MethodSettings, aggregator: BaseMIL, classes: int = 0) -> Method:
    """A method with freshly initialised heads (from torch's global generator) over `aggregator`.

    `classes` is the number of classes of the cohort's labels, for methods that learn them.
    """
    module, _, name = METHODS[settings.name].where.partition(":")
    method: Method = getattr(importlib.import_module(module), name)(settings, aggregator, classes)
    return method


def needs_labels(settings: MethodSettings) -> bool:
    """Whether a method learns the labels of its cohort."""
    return isinstance(settings, known.SupervisedSettings)


class _EveryMethod:
    """JSON Schema: the name of a method, or the table of any of them."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        from oceanpath.descriptions import describe  # only needed for schemas

        tables = []
        for entry in METHODS.values():
            describe(entry.settings)
            tables.append(handler(entry.settings.__pydantic_core_schema__))
        return {"anyOf": [{"enum": list(METHODS)}, *tables]}


SelectedMethod = Annotated[SerializeAsAny[MethodSettings], BeforeValidator(parse_method), _EveryMethod()]
"""Type of a settings key that selects a method."""
