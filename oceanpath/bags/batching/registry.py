"""Names of batching strategies, and the type of a settings key that selects one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, SerializeAsAny
from pydantic_core import CoreSchema

from oceanpath.bags.batching.base import Batching
from oceanpath.errors import nearest

BATCHINGS = {
    "fixed": "oceanpath.bags.batching.fixed:Fixed",
    "length_buckets": "oceanpath.bags.batching.length_buckets:LengthBuckets",
    "token_budget": "oceanpath.bags.batching.token_budget:TokenBudget",
}
"""Name → ``"module:Class"``."""


def batching_class(name: str) -> type[Batching]:
    """The class of a strategy.

    Raises: ValueError: there is no strategy of this name.
    """
    if name not in BATCHINGS:
        close = nearest(name, BATCHINGS)
        raise ValueError(f"unknown batching strategy; expected {', '.join(close[:1] or BATCHINGS)}")
    module, _, attribute = BATCHINGS[name].partition(":")
    strategy: type[Batching] = getattr(importlib.import_module(module), attribute)
    return strategy


def parse_batching(value: Any) -> Batching:
    """A strategy from its name, or from a table of its name and its settings.

    Raises: ValueError: it is neither, or there is no such strategy. pydantic.ValidationError: a setting is wrong.
    """
    if isinstance(value, Batching):
        return value
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(table.get("name"), str):
        raise ValueError("expected the name of a batching strategy, or a table with its name and settings")
    return batching_class(table["name"]).model_validate(dict(table))


class _EveryStrategy:
    """JSON Schema: the name of a strategy, or the table of any of them."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        from oceanpath.descriptions import describe  # only needed for schemas

        tables = []
        for name in BATCHINGS:
            strategy = batching_class(name)
            describe(strategy)
            tables.append(handler(strategy.__pydantic_core_schema__))
        return {"anyOf": [{"enum": list(BATCHINGS)}, *tables]}


SelectedBatching = Annotated[SerializeAsAny[Batching], BeforeValidator(parse_batching), _EveryStrategy()]
"""Type of a settings key that selects a strategy."""
