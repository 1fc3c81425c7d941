"""Names of strategies, and the type of the settings key that selects one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import AfterValidator, WithJsonSchema

from oceanpath.errors import nearest

if TYPE_CHECKING:
    from oceanpath.stages.split.strategies.base import Strategy

PACKAGE = "oceanpath.stages.split.strategies"


class SchemeEntry(NamedTuple):
    """One strategy."""

    where: str
    """``"module:function"`` of this package."""
    keys: tuple[str, ...]
    """Keys of ``[split]`` that it reads, in addition to those that every strategy reads."""


SCHEMES = {
    "kfold": SchemeEntry("kfold:kfold", ("folds",)),
    "repeated_kfold": SchemeEntry("repeated_kfold:repeated_kfold", ("folds", "repeats")),
    "holdout": SchemeEntry("holdout:holdout", ("test_fraction",)),
    "mccv": SchemeEntry("mccv:mccv", ("repeats", "test_fraction")),
    "nested": SchemeEntry("nested:nested", ("folds", "inner_folds")),
    "leave_one_site_out": SchemeEntry("leave_one_site_out:leave_one_site_out", ("smallest_site",)),
    "site_preserved": SchemeEntry("site_preserved:site_preserved", ("folds",)),
    "custom": SchemeEntry("custom:custom", ("file", "test", "val")),
    "few_shot": SchemeEntry("few_shot:few_shot", ("shots", "repeats", "test_fraction")),
}
SCHEME_KEYS = frozenset(key for entry in SCHEMES.values() for key in entry.keys)
"""Keys that some strategies read and others do not."""


def strategy(name: str) -> Strategy:
    """The function of a strategy by its name."""
    module, _, function = SCHEMES[name].where.partition(":")
    found: Strategy = getattr(importlib.import_module(f"{PACKAGE}.{module}"), function)
    return found


def _known(name: str) -> str:
    if name not in SCHEMES:
        close = nearest(name, SCHEMES)
        raise ValueError(f"unknown scheme {name!r}; expected {', '.join(close or SCHEMES)}")
    return name


_SCHEMA: dict[str, Any] = {"type": "string", "enum": list(SCHEMES)}
SchemeName = Annotated[str, AfterValidator(_known), WithJsonSchema(_SCHEMA)]
"""Type of a settings key that selects a strategy."""
