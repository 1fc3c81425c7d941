"""The needs of large cohorts."""

from __future__ import annotations

import json
import math

import pytest

from oceanpath.bench.scale import Site, needs, needs_table
from oceanpath.cli.app import run_app

SITE = Site(patches=1000, dim=500, chunk=10, array=100, nodes=4, rate=100.0, disk_mb_s=100.0, link_mb_s=50.0)


def test_the_needs_of_a_cohort() -> None:
    found = needs(4_000, SITE)
    assert (found.tasks, found.arrays, found.store_files) == (400, 4, 1)
    assert math.isclose(found.store_gb, 4.0)
    assert math.isclose(found.extract_days, (4_000 * 10 + 400 * 5) / 4 / 86_400)
    assert math.isclose(found.epoch_minutes, 40 / 60) and math.isclose(found.copy_hours, 80 / 3600)


def test_a_last_wave_of_tasks_leaves_nodes_idle() -> None:
    assert math.isclose(needs(50, SITE).extract_days, 2 * (10 * 10 + 5) / 86_400)  # 5 tasks on 4 nodes: two waves


@pytest.mark.parametrize("slides", [1, 1_000, 1_000_000])
def test_everything_grows_with_the_cohort_and_limits_are_added(slides: int) -> None:
    less, more = needs(slides, Site()), needs(slides * 10, Site())
    assert all(getattr(less, name) <= getattr(more, name) for name in vars(less) if name != "limits")
    assert {text.lstrip("0123456789 ") for text in less.limits} <= {text.lstrip("0123456789 ") for text in more.limits}


def test_the_command_prints_every_cohort(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["bench", "plan", "--slides", "10,20", "--json"]) == 0
    assert [row["slides"] for row in json.loads(capsys.readouterr().out)] == [10, 20]
    assert run_app(["bench", "plan", "--slides", "ten"]) == 2
    assert "no limit is reached" in needs_table([needs(10, Site())])
