"""Parents come before children in a plan, and stages that need each other are named in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.plan import Plan
from oceanpath.stages.catalog import CATALOG

from .conftest import ToyProject


def plan_of(toy: ToyProject, **needs: tuple[str, ...]) -> Plan:
    """The plan where some stages have other parents."""
    stages = tuple(replace(stage, needs=needs.get(stage.name, stage.needs)) for stage in toy.catalog.stages)
    toy.catalog = replace(toy.catalog, stages=stages)
    return toy.plan()


def test_the_catalog_is_in_flow_order() -> None:
    names = [stage.name for stage in CATALOG.stages]
    for stage in CATALOG.stages:
        assert all(names.index(parent) < names.index(stage.name) for parent in stage.all_parents())


def test_parents_come_first_whatever_the_order_of_the_catalog(toy: ToyProject) -> None:
    toy.catalog = replace(toy.catalog, stages=toy.catalog.stages[::-1])
    assert [step.name for step in toy.plan().steps] == ["read", "count", "report"]


def test_stages_without_an_order_keep_that_of_the_catalog(toy: ToyProject) -> None:
    plan = plan_of(toy, count=(), report=("read", "count"))
    assert [step.name for step in plan.steps] == ["read", "count", "report"]


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [
        ({"read": ("report",)}, ["read", "report", "count"]),
        ({"read": ("count",)}, ["read", "count"]),
        ({"count": ("count",)}, ["count"]),
    ],
)
def test_a_cycle_is_named_in_its_order(toy: ToyProject, needs: dict[str, tuple[str, ...]], cycle: list[str]) -> None:
    with pytest.raises(ExperimentError, match="in a cycle; got ") as caught:
        plan_of(toy, **needs)
    names = caught.value.got.split(" -> ")
    assert names[0] == names[-1]
    start = names.index(cycle[0])
    assert [*names[start:-1], *names[:start]] == cycle
