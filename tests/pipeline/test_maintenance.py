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


def place(house, step: str = "report") -> Path:
    return (house.folder / "out" / "experiments" / "toy" / step).resolve()


def test_a_whole_workspace_has_no_findings(house) -> None:
    house.run()
    assert maintenance.verify(house.workspace, deep=True) == []
    assert len(maintenance.published(house.workspace)) == 5


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
def test_damage_is_found_and_mended(house, calls, damage: str, deep: bool, words: str) -> None:
    house.run()
    file = place(house) / "report.txt"
    text = file.read_text()
    if damage == "flip":
        file.write_text(text.swapcase())
    elif damage == "short":
        file.write_text(text[:-1])
    elif damage == "gone":
        file.unlink()
    elif damage == "extra":
        (place(house) / "other.txt").write_text("")
    else:
        (place(house) / MANIFEST).write_text("{}")
    found = maintenance.verify(house.workspace, deep=deep)
    assert [words in finding.problem for finding in found] == [True]
    assert "oceanpath" in found[0].do
    maintenance.verify(house.workspace, deep=deep, repair=True)
    house.run()
    assert calls() == ["report"]
    assert maintenance.verify(house.workspace, deep=True) == []
    assert file.read_text() == text


def test_a_byte_that_changed_under_the_same_size_and_time_is_found(house, calls) -> None:
    house.words.write_text("abba\nsecond line\n")
    os.utime(house.words, (time.time() - 100,) * 2)
    house.run()
    stat = house.words.stat()
    with house.words.open("r+b") as handle:  # the same file, the same size
        handle.write(b"b")
    os.utime(house.words, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    house.run()
    assert calls() == []  # times alone cannot tell
    (found,) = maintenance.verify(house.workspace, deep=True)
    assert found.where == house.words
    house.run()
    assert calls()[0] == "read"


def test_pruning_keeps_what_an_experiment_uses(house, calls) -> None:
    house.run(["count.factor=3"])
    house.run()
    gone = maintenance.unused(house.workspace)
    assert sorted(path.parent.parent.name + "/" + path.parent.name for path in gone) == [
        "parts/count",
        "parts/count",
        "runs/count",
        "runs/report",
    ]
    maintenance.prune(house.workspace, gone)
    house.run()
    assert calls() == []
    assert maintenance.unused(house.workspace) == []
    house.run(["count.factor=3"])
    assert calls() == ["count a", "count b", "count", "report"]


def test_what_is_being_made_is_not_pruned(house) -> None:
    states = house.run(["count.factor=3"])
    house.run()
    name = states["count"].fingerprint
    file = try_lock(house.workspace.locks, name)
    assert file is not None
    with held(file):
        assert name not in {path.name for path in maintenance.unused(house.workspace)}
    assert name in {path.name for path in maintenance.unused(house.workspace)}


def test_nothing_is_removed_while_a_run_uses_the_workspace(house) -> None:
    house.run()
    taking = (lambda: removal(house.workspace), lambda: nullcontext(maintenance.rebuild(house.workspace)))
    with in_use(house.workspace):
        for take in taking:
            with (
                pytest.raises(StageError, match=rf"a run is using the workspace; got process {os.getpid()} on "),
                take(),
            ):
                pass
        (place(house) / "report.txt").write_text("short")
        with pytest.raises(StageError, match="a run is using the workspace"):
            maintenance.verify(house.workspace, deep=True, repair=True)
    for take in taking:
        with take():
            pass
    assert list(house.workspace.locks.iterdir()) == []


def test_a_run_waits_until_what_is_removed_is_gone(house, calls) -> None:
    house.run()
    thread = threading.Thread(target=house.run)
    with removal(house.workspace):
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
        maintenance.prune(house.workspace, maintenance.published(house.workspace))
    thread.join(timeout=30)
    assert calls() == ["read", "count a", "count b", "count", "report"]
    assert maintenance.verify(house.workspace, deep=True) == []


def test_a_run_that_was_killed_keeps_nothing(house) -> None:
    (house.workspace.locks / "run-12345678").mkdir(parents=True)
    (house.workspace.locks / "run-12345678" / f"999999999-1-{machine()}.12345678").touch()
    with removal(house.workspace):
        pass


@pytest.mark.parametrize("state", ["gone", "damaged", "there"])
def test_the_ledger_is_rebuilt_from_the_folders_alone(house, calls, state: str) -> None:
    house.run()
    path = house.workspace.ledger
    with Ledger(path, read_only=True) as ledger:
        wanted = ledger.rows("SELECT * FROM artifact ORDER BY fingerprint")
        metrics = ledger.rows("SELECT * FROM metric ORDER BY fingerprint, name")
    if state == "gone":
        path.unlink()
    elif state == "damaged":
        path.write_bytes(path.read_bytes()[:5000])
    assert maintenance.rebuild(house.workspace) == (5, 1)
    with Ledger(path, read_only=True) as ledger:
        assert ledger.rows("SELECT * FROM artifact ORDER BY fingerprint") == wanted
        assert ledger.rows("SELECT * FROM metric ORDER BY fingerprint, name") == metrics
    assert len(list(path.parent.glob("ledger-before-*"))) == (state != "gone")
    states = house.run(["report.title=x"])
    assert states["report"].why == ["title: t -> x"]
    assert calls() == ["report"]


def test_what_is_local_is_in_no_digest_and_no_finding(house) -> None:
    house.run()
    (place(house) / "local").mkdir()
    (place(house) / "local" / "note.txt").write_text("true here alone")
    assert maintenance.verify(house.workspace, deep=True) == []
    assert [state.state for state in house.run().values()] == ["fresh"] * 3
