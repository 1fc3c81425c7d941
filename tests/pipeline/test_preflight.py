"""What is known to be wrong is refused before any work, all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oceanpath.errors import AccidentError, ArtifactError, ExperimentError, MissingExtraError, StageError, together
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.preflight import run_preflight
from oceanpath.pipeline.stage import Preview

from .conftest import AHEAD, SEEN, ToyProject

Calls = Callable[[], list[str]]


def bad(*words: str) -> Preview:
    return Preview(problems=tuple(ExperimentError(word) for word in words))


def test_every_problem_is_told_before_anything_is_made(toy: ToyProject, calls: Calls, fail: set[str]) -> None:
    AHEAD["read"] = bad("first")
    fail.add("count ahead")
    with pytest.raises(ExperimentError) as caught:
        toy.run()
    assert "3 problems" in str(caught.value)
    assert "\n  1. first\n  2. one thing\n  3. another" in str(caught.value)
    assert calls() == []


def test_one_problem_is_itself(toy: ToyProject) -> None:
    AHEAD["count"] = Preview(problems=(MissingExtraError("a package is missing"),))
    with pytest.raises(MissingExtraError, match=r"^a package is missing$"):
        toy.run()


def test_what_is_fresh_is_not_looked_at(toy: ToyProject, calls: Calls) -> None:
    toy.run()
    SEEN.clear()
    AHEAD["read"] = bad("never seen")
    toy.run()
    assert SEEN == {}
    toy.run(["count.factor=2"])
    assert set(SEEN) == {"count"}
    assert SEEN["count"].get("read") is not None and SEEN["count"].names == {"read"}


def test_children_hear_what_parents_expect(toy: ToyProject) -> None:
    AHEAD["read"] = Preview(expected="abba", notes=("a line",))
    found = run_preflight(toy.plan(), {})
    assert (SEEN["count"].expected, SEEN["count"].get("read")) == ({"read": "abba"}, None)
    assert (found.problems, found.notes) == ([], ["a line"])


def test_notes_are_said_when_the_first_step_begins(toy: ToyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("oceanpath.pipeline.stage.Quiet.note", lambda _, text: said.append(text))
    AHEAD["read"] = Preview(notes=("a line",))
    toy.run()
    assert said == ["a line"]


def test_an_outside_input_that_is_not_there_is_told_with_its_key(toy: ToyProject) -> None:
    toy.words.unlink()
    with pytest.raises(ExperimentError, match=r"words\.txt: there is no such file or folder\. Set data\.words"):
        toy.run()
    AHEAD["count"] = bad("another")
    with pytest.raises(ExperimentError, match="2 problems"):
        toy.run()


def test_a_file_without_any_of_its_data_is_not_wrong(toy: ToyProject) -> None:
    toy.words.unlink()
    found = run_preflight(toy.plan(), {})
    assert found.problems == [] and "words.txt" in found.absent[0].render()


def test_a_disk_that_is_too_small_is_told(toy: ToyProject, tmp_path: Path) -> None:
    AHEAD["read"], AHEAD["count"] = Preview(bytes=2**30), Preview(bytes=2**70)
    (problem,) = run_preflight(toy.plan(), {}, tmp_path / "not" / "yet").problems
    assert "read 1.0 GiB, count 1099511627776.0 GiB" in problem.render()
    AHEAD["count"] = Preview(bytes=1)
    AHEAD["read"] = Preview(bytes=1)
    assert run_preflight(toy.plan(), {}, tmp_path).problems == []


def test_a_refused_run_is_in_the_ledger_as_failed(toy: ToyProject) -> None:
    AHEAD["read"] = bad("wrong")
    with pytest.raises(ExperimentError):
        toy.run()
    with Ledger(toy.workspace.ledger, read_only=True) as ledger:
        (run,) = ledger.rows("SELECT * FROM run")
    assert (run["state"], run["error"]) == ("failed", "wrong")


def test_errors_of_one_kind_keep_it_and_each_is_told_once() -> None:
    same = [ArtifactError("a"), together([ArtifactError("b"), ArtifactError("a")])]
    assert type(together(same)) is ArtifactError
    assert str(together(same)).count(". a") == 1
    assert type(together([ArtifactError("a"), StageError("b")])) is ExperimentError
    assert "\n  2. x\n     y" in str(together([ExperimentError("a"), ExperimentError("x\n  y")]))
    assert issubclass(AccidentError, StageError)
