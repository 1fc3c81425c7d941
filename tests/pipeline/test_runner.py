"""What runs, what stays, and why."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable

import pytest

from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.processes import host
from oceanpath.pipeline.runner import first_error
from oceanpath.pipeline.status import inspect_plan

Calls = Callable[[], list[str]]
ALL = ["read", "count a", "count b", "count", "report"]


def test_a_second_run_does_nothing(toy, calls: Calls) -> None:
    assert {state.state for state in toy.run().values()} == {"ok"}
    assert calls() == ALL
    assert {state.state for state in toy.run().values()} == {"fresh"}
    assert calls() == []


@pytest.mark.parametrize(
    ("setting", "expected", "why"),
    [
        ("read.upper=true", ALL, ["upper: False -> True"]),
        ("count.factor=2", ["count a", "count b", "count", "report"], ["factor: 1 -> 2"]),
        ("count.letters=abc", ["count c", "count", "report"], ["letters: ab -> abc"]),
        ("seed=1", ["count a", "count b", "count"], ["seed: 0 -> 1"]),  # its counts are the same: the report stays
        ("report.title=x", ["report"], ["title: t -> x"]),
        ("read.threads=8", [], []),
    ],
)
def test_a_changed_key_moves_exactly_what_depends_on_it(toy, calls: Calls, setting, expected, why) -> None:
    toy.run()
    states = toy.run([setting])
    assert calls() == expected
    ran = [state for state in states.values() if state.state == "ok"]
    assert (ran[0].why if ran else []) == why


def test_switching_a_setting_back_is_a_hit(toy, calls: Calls) -> None:
    toy.run()
    toy.run(["count.factor=2"])
    toy.run()
    assert calls() == []


def test_touching_copying_and_an_older_clock_rerun_nothing(toy, calls: Calls) -> None:
    toy.run()
    os.utime(toy.words, (0, 0))
    toy.run()
    assert calls() == []
    shutil.copy(toy.words, toy.folder / "elsewhere.txt")
    toy.run([f"data.words={toy.folder / 'elsewhere.txt'}"])
    assert calls() == []


def test_the_same_output_of_a_parent_stops_there(toy, calls: Calls) -> None:
    toy.run()
    toy.words.write_text("abba\nanother second line\n")
    states = toy.run()
    assert calls() == ["read"]
    assert states["read"].why == ["words changed"]
    assert states["count"].state == "fresh"


def test_a_changed_input_of_the_same_size_and_time_is_seen_while_it_is_young(toy, calls: Calls) -> None:
    toy.run()
    stat = toy.words.stat()
    toy.words.write_text("bbba\nsecond line\n")
    os.utime(toy.words, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    toy.run()
    assert calls() == ALL


def test_a_new_stage_version_reruns_it(toy, calls: Calls) -> None:
    from .conftest import toy_catalog

    toy.run()
    toy.catalog = toy_catalog(version=2)
    states = toy.run()
    assert calls() == ["count a", "count b", "count"]
    assert states["count"].why == ["version 1 -> 2"]


def test_force_makes_a_stage_and_its_dependants_again(toy, calls: Calls) -> None:
    toy.run()
    states = toy.run(force=["count"])
    assert calls() == ["count a", "count b", "count", "report"]
    assert states["report"].why == ["forced"]
    toy.run()
    assert calls() == []


def test_a_failed_force_leaves_the_old_result(toy, calls: Calls, fail: set[str]) -> None:
    before = toy.run()["read"].manifest
    fail.add("read")
    assert toy.run(force=["read"])["read"].state == "failed"
    fail.clear()
    assert toy.run()["read"].manifest == before
    assert calls() == []


def test_parts_may_fail_where_the_settings_allow_it(toy, calls: Calls, fail: set[str]) -> None:
    fail.add("a")
    states = toy.run(["count.tolerant=true"])
    assert {name: state.state for name, state in states.items()} == {"read": "ok", "count": "ok", "report": "ok"}
    counted = json.loads((toy.workspace.root / "experiments/toy/count/counts.json").read_text())
    assert counted == {"a": "fails on request", "b": 2}
    toy.run(["count.tolerant=true"])
    assert calls() == []
    assert toy.run()["count"].state == "failed", "what was allowed is not fresh where it is not"


@pytest.mark.parametrize("failing", [{"a", "b"}, {"refuse a"}, {"crash a"}])
def test_but_not_all_of_them_and_not_by_accident(toy, fail: set[str], failing: set[str]) -> None:
    fail |= failing
    states = toy.run(["count.tolerant=true"])
    assert states["count"].state == "failed" and f"{len(failing)} of 2 parts" in str(states["count"].error)


def test_one_failing_part_keeps_its_siblings_and_a_rerun_resumes(toy, calls: Calls, fail: set[str]) -> None:
    fail.add("a")
    states = toy.run()
    assert states["count"].state == "failed"
    assert states["report"].state == "skipped"
    assert isinstance(first_error(states.values()), StageError)
    assert "1 of 2 parts failed" in str(states["count"].error)
    fail.clear()
    toy.run()
    assert calls() == ["count a", "count", "report"]


def test_a_bug_in_a_room_is_told_with_its_place(toy, fail: set[str]) -> None:
    fail.add("crash a")
    error = toy.run()["count"].error
    assert isinstance(error, StageError)
    assert "KeyError" in str(error)
    assert "count_part" in str(error)


def test_nothing_is_published_that_its_check_refused(toy, fail: set[str]) -> None:
    fail.add("check")
    states = toy.run()
    assert isinstance(states["read"].error, ArtifactError)
    assert not list((toy.folder / "out" / "runs").rglob("manifest.json"))


def test_a_damaged_result_is_made_again(toy, calls: Calls) -> None:
    states = toy.run()
    place = toy.workspace.folder("stage", "report", states["report"].fingerprint)
    (place / "report.txt").write_text("shorter")
    after = toy.run()
    assert calls() == ["report"]
    assert "changed size" in after["report"].why[0]
    assert after["report"].manifest == states["report"].manifest


def test_variants_share_what_does_not_differ(toy, calls: Calls) -> None:
    toy.write(toy.file.read_text() + '[[variant]]\nname = "twice"\ncount.factor = 2\n')
    states = toy.run()
    assert list(states) == ["read", "count", "count@twice", "report", "report@twice"]
    assert calls().count("read") == 1
    place = toy.workspace.folder("stage", "report", states["report"].fingerprint)
    assert (place / "variants.txt").read_text() == "base twice"


def test_a_dry_run_of_a_fresh_project_says_what_waits(toy) -> None:
    states = inspect_plan(toy.plan(), toy.workspace)
    assert [(s.step.name, s.state) for s in states] == [("read", "run"), ("count", "pending"), ("report", "pending")]
    assert states[0].why == ["first run"]
    assert not toy.workspace.ledger.exists()


def test_the_graph_names_every_edge(toy) -> None:
    text = toy.plan().mermaid()
    assert "read --> count" in text
    assert "count --> report" in text


def test_to_and_targets_cut_the_graph(toy) -> None:
    assert [step.name for step in toy.plan(to="count").steps] == ["read", "count"]
    assert [step.name for step in toy.plan(targets=["read"]).steps] == ["read"]
    with pytest.raises(ExperimentError, match="Did you mean 'count'"):
        toy.plan(to="coutn")


def test_the_ledger_holds_states_reasons_metrics_and_parts(toy) -> None:
    toy.run()
    with Ledger(toy.workspace.ledger, read_only=True) as ledger:
        steps = {row["name"]: row for row in ledger.rows("SELECT * FROM step")}
        assert {name: row["state"] for name, row in steps.items()} == {"read": "ok", "count": "ok", "report": "ok"}
        assert json.loads(steps["read"]["why"]) == ["first run"]
        assert steps["count"]["seconds"] > 0
        sql = "SELECT value FROM metric WHERE fingerprint = ? AND name = 'total'"
        assert ledger.rows(sql, (steps["count"]["fingerprint"],)) == [{"value": 4.0}]
        assert [row["key"] for row in ledger.rows("SELECT key FROM part ORDER BY key")] == ["a", "b"]
        environment = json.loads(ledger.rows("SELECT environment FROM run")[0]["environment"])
        assert environment["software"]["numpy"]


def test_a_run_of_a_dead_process_is_shown_as_interrupted(toy) -> None:
    toy.workspace.open()
    with Ledger(toy.workspace.ledger) as ledger:
        run = ledger.start_run("toy", "toy.toml", "test")
        ledger._update("run", run, process=f"999999999-1-{host()}")
    toy.run()
    with Ledger(toy.workspace.ledger, read_only=True) as ledger:
        assert ledger.rows("SELECT state FROM run ORDER BY id") == [{"state": "interrupted"}, {"state": "ok"}]


def test_people_find_results_by_experiment_and_step(toy) -> None:
    states = toy.run()
    link = toy.folder / "out" / "experiments" / "toy" / "count"
    assert link.resolve() == toy.workspace.folder("stage", "count", states["count"].fingerprint)
