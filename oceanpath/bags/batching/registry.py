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
    "sequence_packing": "oceanpath.bags.batching.sequence_packing:SequencePacking",
}
"""Name → ``"module:Class"``."""
VIEW_BATCHINGS = {
    "pad_to_max_in_batch": "oceanpath.bags.batching.pad_to_max_in_batch:PadToMaxInBatch",
    "pad_to_global": "oceanpath.bags.batching.pad_to_global:PadToGlobal",
    "subsample_fixed_n": "oceanpath.bags.batching.subsample_fixed_n:SubsampleFixedN",
    "regional_crops": "oceanpath.bags.batching.regional_crops:RegionalCrops",
    "multi_crop": "oceanpath.bags.batching.multi_crop:MultiCrop",
    "jepa": "oceanpath.bags.batching.jepa:Jepa",
}
"""The same for strategies that select or pad the patches of views: only for pretraining."""
OTHER_NAMES = {"bucket_batching": "length_buckets"}
"""Other name of a strategy → its name."""


def batching_class(name: str) -> type[Batching]:
    """The class of a strategy.

    Raises: ValueError: there is no strategy of this name.
    """
    known = BATCHINGS | VIEW_BATCHINGS
    name = OTHER_NAMES.get(name, name)
    if name not in known:
        close = nearest(name, known)
        raise ValueError(f"unknown batching strategy; expected {', '.join(close[:1] or known)}")
    module, _, attribute = known[name].partition(":")
    strategy: type[Batching] = getattr(importlib.import_module(module), attribute)
    return strategy


def parse_view_batching(value: Any) -> Batching:
    """A strategy from its name, or from a table of its name (`name` or `strategy`) and its settings.

    Raises: ValueError: it is neither, or there is no such strategy. pydantic.ValidationError: a setting is wrong.
    """
    if isinstance(value, Batching):
        return value
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        raise ValueError("expected the name of a batching strategy, or a table with its name and settings")
    settings = {key: one for key, one in table.items() if key not in ("name", "strategy")}
    names = [table[key] for key in ("name", "strategy") if key in table]
    if len(names) != 1 or not isinstance(names[0], str):
        raise ValueError("expected the name of a batching strategy, or a table with its name and settings")
    return batching_class(names[0]).model_validate(settings)


def parse_batching(value: Any) -> Batching:
    """`parse_view_batching` for supervised training.

    Raises: ValueError: as there, or the strategy is for pretraining only.
    """
    strategy = parse_view_batching(value)
    if strategy.name in VIEW_BATCHINGS:
        raise ValueError(f"{strategy.name} is for pretraining only; expected {', '.join(BATCHINGS)}")
    return strategy


class _Schema:
    """JSON Schema: the name of a strategy, or the table of any of them."""

    def __init__(self, *registries: Mapping[str, str]) -> None:
        self.registries = registries

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        from oceanpath.descriptions import describe  # only needed for schemas

        names = [name for registry in self.registries for name in registry]
        tables = []
        for name in names:
            strategy = batching_class(name)
            describe(strategy)
            tables.append(handler(strategy.__pydantic_core_schema__))
        return {"anyOf": [{"enum": names}, *tables]}


SelectedBatching = Annotated[SerializeAsAny[Batching], BeforeValidator(parse_batching), _Schema(BATCHINGS)]
"""Type of a settings key that selects a strategy of supervised training."""
SelectedViewBatching = Annotated[
    SerializeAsAny[Batching], BeforeValidator(parse_view_batching), _Schema(BATCHINGS, VIEW_BATCHINGS)
]
"""Type of a settings key that selects a strategy of pretraining."""
