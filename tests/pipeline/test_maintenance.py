"""A workspace is looked over, made small, and found again, without losing what is used."""

from __future__ import annotations

import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from oceanpath.errors import StageError
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.leases import in_use, removal
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.locks import held, try_lock
from oceanpath.pipeline.processes import machine
from oceanpath.pipeline.workspace import MANIFEST

from .conftest import ToyProject


def place(toy: ToyProject, step: str = "report") -> Path:
    return (toy.folder / "out" / "experiments" / "toy" / step).resolve()


def test_a_whole_workspace_has_no_findings(toy) -> None:
    toy.run()
    assert maintenance.verify(toy.workspace, deep=True) == []
    assert len(maintenance.published(toy.workspace)) == 5


@pytest.mark.parametrize(
    ("damage", "deep", "words"),
    [
        ("flip", True, "differs from its digest"),
        ("short", False, "changed size"),
        ("gone", False, "damaged"),
        ("extra", False, "extra file other.txt"),
        ("manifest", False, "damaged"),
    ],
)
def test_damage_is_found_and_mended(toy, calls, damage: str, deep: bool, words: str) -> None:
    toy.run()
    file = place(toy) / "report.txt"
    text = file.read_text()
    if damage == "flip":
        file.write_text(text.swapcase())
    elif damage == "short":
        file.write_text(text[:-1])
    elif damage == "gone":
        file.unlink()
    elif damage == "extra":
        (place(toy) / "other.txt").write_text("")
    else:
        (place(toy) / MANIFEST).write_text("{}")
    found = maintenance.verify(toy.workspace, deep=deep)
    assert [words in finding.problem for finding in found] == [True]
    assert "oceanpath" in found[0].do
    maintenance.verify(toy.workspace, deep=deep, repair=True)
    toy.run()
    assert calls() == ["report"]
    assert maintenance.verify(toy.workspace, deep=True) == []
    assert file.read_text() == text


def test_a_byte_that_changed_under_the_same_size_and_time_is_found(toy, calls) -> None:
    toy.words.write_text("abba\nsecond line\n")
    os.utime(toy.words, (time.time() - 100,) * 2)
    toy.run()
    stat = toy.words.stat()
    with toy.words.open("r+b") as handle:  # the same file, the same size
        handle.write(b"b")
    os.utime(toy.words, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    toy.run()
    assert calls() == []  # times alone cannot tell
    (found,) = maintenance.verify(toy.workspace, deep=True)
    assert found.where == toy.words
    toy.run()
    assert calls()[0] == "read"


def test_pruning_keeps_what_an_experiment_uses(toy, calls) -> None:
    toy.run(["count.factor=3"])
    toy.run()
    gone = maintenance.unused(toy.workspace)
    assert sorted(path.parent.parent.name + "/" + path.parent.name for path in gone) == [
        "parts/count",
        "parts/count",
        "runs/count",
        "runs/report",
    ]
    maintenance.prune(toy.workspace, gone)
    toy.run()
    assert calls() == []
    assert maintenance.unused(toy.workspace) == []
    toy.run(["count.factor=3"])
    assert calls() == ["count a", "count b", "count", "report"]


def test_what_is_being_made_is_not_pruned(toy) -> None:
    states = toy.run(["count.factor=3"])
    toy.run()
    name = states["count"].fingerprint
    file = try_lock(toy.workspace.locks, name)
    assert file is not None
    with held(file):
        assert name not in {path.name for path in maintenance.unused(toy.workspace)}
    assert name in {path.name for path in maintenance.unused(toy.workspace)}


def test_nothing_is_removed_while_a_run_uses_the_workspace(toy) -> None:
    toy.run()
    taking = (lambda: removal(toy.workspace), lambda: nullcontext(maintenance.rebuild(toy.workspace)))
    with in_use(toy.workspace):
        for take in taking:
            with (
                pytest.raises(StageError, match=rf"a run is using the workspace; got process {os.getpid()} on "),
                take(),
            ):
                pass
        (place(toy) / "report.txt").write_text("short")
        with pytest.raises(StageError, match="a run is using the workspace"):
            maintenance.verify(toy.workspace, deep=True, repair=True)
    for take in taking:
        with take():
            pass
    assert list(toy.workspace.locks.iterdir()) == []


def test_a_run_waits_until_what_is_removed_is_gone(toy, calls) -> None:
    toy.run()
    thread = threading.Thread(target=toy.run)
    with removal(toy.workspace):
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
        maintenance.prune(toy.workspace, maintenance.published(toy.workspace))
    thread.join(timeout=30)
    assert calls() == ["read", "count a", "count b", "count", "report"]
    assert maintenance.verify(toy.workspace, deep=True) == []


def test_a_run_that_was_killed_keeps_nothing(toy) -> None:
    (toy.workspace.locks / "run-12345678").mkdir(parents=True)
    (toy.workspace.locks / "run-12345678" / f"999999999-1-{machine()}.12345678").touch()
    with removal(toy.workspace):
        pass


@pytest.mark.parametrize("state", ["gone", "damaged", "there"])
def test_the_ledger_is_rebuilt_from_the_folders_alone(toy, calls, state: str) -> None:
    toy.run()
    path = toy.workspace.ledger
    with Ledger(path, read_only=True) as ledger:
        wanted = ledger.rows("SELECT * FROM artifact ORDER BY fingerprint")
        metrics = ledger.rows("SELECT * FROM metric ORDER BY fingerprint, name")
    if state == "gone":
        path.unlink()
    elif state == "damaged":
        path.write_bytes(path.read_bytes()[:5000])
    assert maintenance.rebuild(toy.workspace) == (5, 1)
    with Ledger(path, read_only=True) as ledger:
        assert ledger.rows("SELECT * FROM artifact ORDER BY fingerprint") == wanted
        assert ledger.rows("SELECT * FROM metric ORDER BY fingerprint, name") == metrics
    assert len(list(path.parent.glob("ledger-before-*"))) == (state != "gone")
    states = toy.run(["report.title=x"])
    assert states["report"].why == ["title: t -> x"]
    assert calls() == ["report"]


def test_what_is_local_is_in_no_digest_and_no_finding(toy) -> None:
    toy.run()
    (place(toy) / "local").mkdir()
    (place(toy) / "local" / "note.txt").write_text("true here alone")
    assert maintenance.verify(toy.workspace, deep=True) == []
    assert [state.state for state in toy.run().values()] == ["fresh"] * 3
