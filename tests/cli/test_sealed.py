"""The reveal of a sealed test: its plan must be recorded before, and every reveal is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oceanpath.cli.options import Common
from oceanpath.cli.sealed import reveal_facts, revealed
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import plan
from oceanpath.pipeline.preflight import run_preflight
from oceanpath.stages.catalog import CATALOG

TEXT = """name = "mine"
[data]
label = "response"
classes = ["no", "yes"]
features = "features"
labels = "cohort.csv"
[split]
scheme = "holdout"
[audit]
[train]
[eval]
sealed = {sealed}
[analyze]
[export]
"""


def experiment(folder: Path, sealed: str = "true", *sets: str) -> Common:
    (folder / "mine.toml").write_text(TEXT.format(sealed=sealed))
    return Common(folder / "mine.toml", sets, folder)


def record(folder: Path, common: Common, sealed: Any) -> None:
    settings = common.load().base.settings(CATALOG.stage("eval")).identity()
    with Ledger(folder / "ledger.sqlite") as ledger:
        run = ledger.start_run("mine", "mine.toml", "eval")
        ledger.add_step(run, "eval", {"settings": {**settings, "sealed": sealed}}, position=0, stage="eval", state="ok")


def test_a_reveal_needs_the_recorded_plan(tmp_path: Path) -> None:
    common = experiment(tmp_path)
    with pytest.raises(ExperimentError, match="not recorded before the reveal; got no plan"):
        revealed(common)
    record(tmp_path, common, True)
    assert revealed(common).sets == ("eval.sealed=revealed",)
    with pytest.raises(ExperimentError, match="got 1 other plans"):
        revealed(experiment(tmp_path, "true", "eval.resamples=300"))
    with pytest.raises(ExperimentError, match="is not sealed"):
        revealed(experiment(tmp_path, "false"))


def test_reveals_are_counted_and_one_without_a_plan_is_noticed(tmp_path: Path) -> None:
    common = experiment(tmp_path)
    for sealed in (True, "revealed", "revealed"):
        record(tmp_path, common, sealed)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert reveal_facts(ledger, "mine") == {"reveals": 2, "planned": True}
        assert reveal_facts(ledger, "other") == {"reveals": 0, "planned": True}
    record(tmp_path, experiment(tmp_path, "true", "eval.resamples=300"), "revealed")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert reveal_facts(ledger, "mine") == {"reveals": 3, "planned": False}


def test_stages_that_predict_test_slides_wait(tmp_path: Path) -> None:
    sealed = experiment(tmp_path).load()
    assert [step.name for step in plan(sealed).steps] == ["mmap", "split", "train", "eval"]
    for stage in ("audit", "analyze", "export"):
        problems = run_preflight(plan(sealed, (stage,)), {}).problems
        assert any("the test is sealed" in problem.render() for problem in problems)
    opened = experiment(tmp_path, '"revealed"').load()
    assert {"audit", "analyze", "export"} < {step.name for step in plan(opened).steps}
