"""A recorded plan is used only while nothing that determines it has changed, and confirms only published results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from oceanpath import plugins
from oceanpath.pipeline import layers, recorded_plan
from oceanpath.pipeline.confirm import confirm
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.recorded_plan import is_recordable, plan_key, read_recorded, record_plan
from oceanpath.pipeline.status import StepState

from .conftest import CountSettings


@pytest.fixture(autouse=True)
def old_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of OceanPath was not changed just now."""
    monkeypatch.setattr(recorded_plan, "code_versions", lambda: [("oceanpath/__init__.py", 1, 1)])


def key(toy: Any, *sets: str, workspace: str = "out") -> str:
    return plan_key(layers.read(toy.file), layers.overrides(sets), toy.folder / workspace)


def recorded(toy: Any, *sets: str) -> recorded_plan.RecordedPlan | None:
    return read_recorded(toy.workspace.root, "toy", key(toy, *sets), toy.catalog)


def record(toy: Any, *sets: str) -> None:
    toy.workspace.root.mkdir(exist_ok=True)
    record_plan(toy.plan(sets), key(toy, *sets), toy.workspace.root, comparable=True)


def confirmed(toy: Any) -> list[StepState] | None:
    found = recorded(toy)
    assert found is not None
    with Ledger(toy.workspace.ledger) as ledger:
        return confirm(found.plan, toy.workspace, ledger, "test", found.cohorts)


def test_a_recorded_plan_confirms_the_same_results_as_a_run(toy: Any) -> None:
    toy.run()
    record(toy)
    again = toy.run()
    states = confirmed(toy)
    assert states is not None
    assert {s.step.name: s.fingerprint for s in states} == {name: s.fingerprint for name, s in again.items()}
    assert {state.state for state in states} == {"fresh"}
    with Ledger(toy.workspace.ledger, read_only=True) as ledger:
        rows = [ledger.rows("SELECT * FROM step WHERE run = ? ORDER BY position", (number,)) for number in (2, 3)]
        assert [row["state"] for row in ledger.rows("SELECT state FROM run")] == ["ok"] * 3
    differing = {"id", "run", "started", "seal"}
    run, confirmation = ([{k: v for k, v in row.items() if k not in differing} for row in each] for each in rows)
    assert run == confirmation


@pytest.mark.parametrize("change", ["words", "result", "damage", "link"])
def test_only_published_results_of_the_same_inputs_are_confirmed(toy: Any, change: str) -> None:
    states = toy.run()
    record(toy)
    published = toy.workspace.folder("stage", "count", states["count"].fingerprint)
    if change == "words":
        toy.words.write_text("others")
    if change == "result":
        published.rename(toy.folder / "elsewhere")
    if change == "damage":
        (published / "counts.json").write_text("{")
    link = toy.workspace.root / "experiments" / "toy" / "count"
    if change == "link":  # of another run: it is set again
        link.unlink()
        assert confirmed(toy) is not None and link.resolve() == published
        return
    before = toy.workspace.ledger.read_bytes()
    assert confirmed(toy) is None and toy.workspace.ledger.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    ["value", "threads", "variant", "base", "override", "workspace", "home", "python", "package", "code"],
)
def test_no_plan_is_used_after_a_change_of_what_determines_it(
    toy: Any, change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record(toy)
    before, text = key(toy), toy.file.read_text()
    if change == "value":
        toy.write(text + "factor = 1\n")  # the default: the same plan, from another file
    if change == "threads":
        toy.write(text.replace("[read]", "[read]\nthreads = 2"))
    if change == "variant":
        toy.write(text + '[[variant]]\nname = "b"\n')
    if change == "base":
        toy.write(f'extends = "other/base.toml"\n{text}')
        (toy.folder / "other").mkdir()
        (toy.folder / "other" / "base.toml").write_text("[count]\nfactor = 2\n")
    if change == "home":
        monkeypatch.setenv("HOME", str(tmp_path / "another"))
    if change == "python":
        monkeypatch.setattr(sys, "version", "4.0")
    if change == "package":
        monkeypatch.setattr(recorded_plan, "metadata_folders", lambda: ["another_plugin-1.0.dist-info"])
    if change == "code":
        monkeypatch.setattr(recorded_plan, "code_versions", lambda: [("oceanpath/__init__.py", 1, 2)])
    sets = ("count.factor=3",) if change == "override" else ()
    assert key(toy, *sets, workspace="elsewhere" if change == "workspace" else "out") != before
    assert change == "workspace" or recorded(toy, *sets) is None


def test_names_that_no_encoding_has_are_recorded(toy: Any) -> None:
    record(toy, "report.title=\udcff")
    assert recorded(toy, "report.title=\udcff") is not None and recorded(toy, "report.title=\udcfe") is None


def test_a_value_of_another_type_has_another_key(toy: Any) -> None:
    assert len({key(toy, f"count.letters={text}") for text in ('"1"', "1", "1.0", "true")}) == 4


def test_a_plan_that_depends_on_more_is_not_recorded(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_recordable(toy.plan())
    with monkeypatch.context() as patch:
        patch.setattr(plugins, "_LOADED", {"a plug-in"})
        assert not is_recordable(toy.plan())
    with monkeypatch.context() as patch:
        patch.setattr(CountSettings, "reads_files", lambda _: True)
        assert not is_recordable(toy.plan())
    with monkeypatch.context() as patch:
        patch.setattr(CountSettings, "published_keys", classmethod(lambda _: {"factor": "read/text.txt"}))
        assert is_recordable(toy.plan()) and not is_recordable(toy.plan(["count.factor=2"]))
    with monkeypatch.context() as patch:
        patch.setattr(CountSettings, "replaced_keys", classmethod(lambda _: {"factor": "count.letters"}))
        assert not is_recordable(toy.plan(["count.factor=2"]))
    monkeypatch.setattr(recorded_plan, "code_versions", lambda: [("oceanpath/__init__.py", 1, 2**63)])
    assert not is_recordable(toy.plan())


@pytest.mark.parametrize("damage", ["", "[]", "{}", "changed", "stage"])
def test_a_damaged_record_is_none(toy: Any, damage: str) -> None:
    record(toy)
    (file,) = (toy.workspace.root / "plans").iterdir()
    assert recorded(toy) is not None
    text = {"changed": file.read_text().replace('"factor": 1', '"factor": 2'), "stage": "{"}.get(damage, damage)
    assert text != file.read_text()
    file.write_text(text)
    assert recorded(toy) is None


def test_a_record_of_a_stage_that_no_longer_exists_is_none(toy: Any) -> None:
    record(toy)
    file = toy.workspace.root / "plans" / "toy.json"
    content = json.loads(file.read_text().replace('"stage": "count"', '"stage": "removed"'))
    content.pop("seal")
    file.write_text(json.dumps(content | {"seal": recorded_plan._seal(content)}))
    assert recorded(toy) is None
