"""The ledger opens what is its own, and nothing else."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.ledger import READ_BY_RUNS, RECOVERED, Ledger
from oceanpath.pipeline.ledger_queries import run_of_result
from oceanpath.pipeline.migrations import MIGRATIONS
from oceanpath.pipeline.workspace import Manifest


def test_a_new_ledger_has_the_newest_schema_and_safe_settings(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.rows("PRAGMA user_version") == [{"user_version": len(MIGRATIONS)}]
        assert ledger.rows("PRAGMA journal_mode") == [{"journal_mode": "truncate"}]
        assert ledger.rows("PRAGMA synchronous") == [{"synchronous": 2}]
        assert ledger.rows("PRAGMA foreign_keys") == [{"foreign_keys": 1}]


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.start_run("e", "f", "c")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.rows("SELECT count(*) AS n FROM run") == [{"n": 1}]


def test_states_are_checked_by_the_database(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite") as ledger:
        run = ledger.start_run("e", "f", "c")
        with pytest.raises(sqlite3.IntegrityError):
            ledger.end_run(run, "finished")


@pytest.mark.parametrize("kind", ["text", "foreign", "newer"])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "l.sqlite"
    if kind == "text":
        path.write_text("this is no database, but it is long enough to be looked at " * 40)
    else:
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA user_version = {1 if kind == 'foreign' else len(MIGRATIONS) + 1}")
            if kind == "newer":
                Ledger(tmp_path / "own.sqlite").close()
                owner = sqlite3.connect(tmp_path / "own.sqlite").execute("PRAGMA application_id").fetchone()[0]
                db.execute(f"PRAGMA application_id = {owner}")
        db.close()
    before = path.read_bytes()
    with pytest.raises(ArtifactError):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_failed_migration_leaves_the_old_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(tmp_path / "l.sqlite").close()
    bad = (*MIGRATIONS, "CREATE TABLE extra (a INTEGER) STRICT; CREATE TABLE run (a INTEGER) STRICT;")
    monkeypatch.setattr("oceanpath.pipeline.migrations.MIGRATIONS", bad)
    with pytest.raises(ArtifactError, match="already exists"):
        Ledger(tmp_path / "l.sqlite")
    with sqlite3.connect(tmp_path / "l.sqlite") as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'extra'").fetchone()[0] == 0
    db.close()


def test_a_long_history_does_not_slow_down_the_look_for_the_last_identity(tmp_path: Path) -> None:
    """Counted in instructions of the database, so that a busy machine changes nothing."""

    def instructions(ledger: Ledger) -> int:
        count = [0]

        def tick() -> int:
            count[0] += 1
            return 0

        ledger._db.set_progress_handler(tick, 1)
        assert ledger.last_identity("e", "train") == {"seed": 1}
        ledger._db.set_progress_handler(None, 0)
        return count[0]

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        counts = []
        for runs in (10, 500):
            with ledger.transaction():
                for _ in range(runs):
                    run = ledger.start_run("e", "f", "c")
                    ledger.add_step(run, "train", {"seed": 1}, position=0, stage="train", state="fresh")
            counts.append(instructions(ledger))
    assert counts[1] <= 2 * counts[0]


def test_the_last_identity_is_of_the_latest_step_made_or_fresh(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.last_identity("e", "train") is None
        done = 0
        for seed, state in enumerate(("fresh", "ok", "fresh", "failed", "ok", "fresh", "interrupted")):
            run = ledger.start_run("e", "f", "c")
            ledger.add_step(run, "train", {"seed": seed}, position=0, stage="train", state=state)
            done = seed if state in ("ok", "fresh") else done
            assert ledger.last_identity("e", "train") == {"seed": done}
        assert ledger.last_identity("another", "train") is None


def history(path: Path, runs: int = 3) -> None:
    """A ledger with something in every table."""
    with Ledger(path) as ledger, ledger.transaction():
        for number in range(runs):
            run = ledger.start_run("e", "file.toml", "run file.toml")
            step = ledger.add_step(run, "train", {"seed": number}, position=0, stage="train", fingerprint="f" * 32)
            ledger.add_part(step, "fold_0", "a" * 32, "ok", 1.5)
            ledger.end_step(step, state="ok", seconds=2.5)
            ledger.end_run(run, "ok")
        said = {"lines": [], "metrics": {"auroc": 0.75, "word": "text"}}
        ledger.add_artifact(Manifest("train", "stage", 1, "f" * 32, {}, "d" * 32, {"a": {"size": 1}}, said))


def test_a_recovered_run_is_not_the_run_that_computed_a_result(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for command in (RECOVERED, "run mine.toml"):
            run = ledger.start_run("mine", "", command)
            ledger.add_step(run, "eval", {}, position=0, stage="eval", fingerprint="f", state="fresh")
            ledger.end_run(run, "ok")
            found = run_of_result(ledger, "eval", "f")
            assert (found and found["command"]) == (None if command == RECOVERED else command)


@pytest.mark.parametrize(
    ("sql", "is_read_by_runs"),
    [
        ("UPDATE run SET command = 'other' WHERE id = 2", True),
        ("UPDATE run SET started = started + 1 WHERE id = 1", True),
        ("UPDATE experiment SET file = 'other.toml'", True),
        ("UPDATE step SET seconds = 2.25 WHERE id = 3", True),
        ("UPDATE step SET id = 7 WHERE id = 3", True),
        ("UPDATE part SET seconds = 9", False),
        ("UPDATE artifact SET bytes = 2", False),
        ("UPDATE metric SET value = 0.5 WHERE name = 'auroc'", False),
        ("UPDATE metric SET name = 'aurok' WHERE name = 'auroc'", False),
        ("UPDATE metric SET seal = ''", False),
    ],
)
def test_a_row_that_differs_from_its_seal_is_damage(tmp_path: Path, sql: str, is_read_by_runs: bool) -> None:
    path = tmp_path / "l.sqlite"
    history(path)
    Ledger(path, read_only=True).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(sql)
    db.commit()
    db.close()
    with pytest.raises(ArtifactError, match=r"the ledger is damaged.*ledger rebuild --workspace"):
        Ledger(path, read_only=True)
    if is_read_by_runs:
        with pytest.raises(ArtifactError, match="the ledger is damaged"):
            Ledger(path)
    else:
        Ledger(path).close()


def test_a_row_of_another_table_is_checked_when_a_run_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    history(path)
    with Ledger(path) as ledger:
        assert ledger.has_artifact("f" * 32) and not ledger.has_artifact("a" * 32)
        assert ledger.last_cost("train") == (2.5, 1)
        ledger._db.execute("UPDATE artifact SET bytes = 2")
        for ask in (lambda: ledger.has_artifact("f" * 32), lambda: ledger.last_cost("train")):
            with pytest.raises(ArtifactError, match=r"the ledger is damaged.*artifact"):
                ask()


@pytest.mark.parametrize("tables", [(), READ_BY_RUNS, (*READ_BY_RUNS, "part", "metric")])
def test_an_index_without_its_row_is_damage(tmp_path: Path, tables: tuple[str, ...]) -> None:
    path = tmp_path / "l.sqlite"
    history(path)
    with Ledger(path) as ledger:
        ledger._db.execute("PRAGMA writable_schema = ON")
        ledger._db.execute("DELETE FROM sqlite_master WHERE name = 'step_of_run'")
        sql = "CREATE INDEX step_of_run ON step (run)"
        page = ledger.rows("SELECT rootpage FROM sqlite_master WHERE name = 'step_by_name'")[0]["rootpage"]
        ledger._db.execute("INSERT INTO sqlite_master VALUES ('index', 'step_of_run', 'step', ?, ?)", (page, sql))
    with pytest.raises(ArtifactError, match="the ledger is damaged"):
        Ledger(path, read_only=True, tables=tables)


def test_the_start_of_a_run_does_not_depend_on_the_number_of_recorded_parts(tmp_path: Path) -> None:
    def seconds(parts: int) -> float:
        path = tmp_path / f"{parts}.sqlite"
        history(path)
        with Ledger(path) as ledger, ledger.transaction():
            numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {parts})"
            values = "1, 'k' || i, printf('%032d', i), 'ok', 1.0, NULL"
            ledger._db.execute(f"INSERT INTO part {numbers} SELECT {values}, row_seal({values}) FROM n")
        spent = []
        for _ in range(5):
            started = time.process_time()
            Ledger(path).close()
            spent.append(time.process_time() - started)
        return min(spent)

    assert seconds(20_000) < 3 * seconds(20)


def test_a_changed_schema_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    history(path)
    raw = path.read_bytes()
    assert raw.count(b"'skipped'") == 1
    path.write_bytes(raw.replace(b"'skipped'", b"'skippet'"))
    for read_only in (True, False):
        with pytest.raises(ArtifactError, match=r"the ledger is damaged.*tables"):
            Ledger(path, read_only=read_only)


def test_a_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    """SQLite quotes the name of the table in its message."""
    path = tmp_path / "l.sqlite"
    history(path)
    raw = path.read_bytes()
    keyword = b"CREATE TABLE artifact"
    assert raw.count(keyword) == 1
    path.write_bytes(raw.replace(keyword, b"CREATE TABLE\xa0artifact"))
    for read_only in (True, False):
        with pytest.raises(ArtifactError, match="the ledger is damaged"):
            Ledger(path, read_only=read_only)


def test_an_emptied_ledger_is_damage_only_where_there_are_results(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    Ledger(path).close()
    path.write_bytes(b"")
    (tmp_path / "runs" / "train" / "f").mkdir(parents=True)
    for read_only in (True, False):
        with pytest.raises(ArtifactError, match=r"the ledger is damaged.*empty"):
            Ledger(path, read_only=read_only)
    assert path.read_bytes() == b""


def test_a_ledger_of_the_first_version_is_read_and_then_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr("oceanpath.pipeline.migrations.MIGRATIONS", MIGRATIONS[:1])
        with Ledger(path) as ledger:
            ledger._db.execute("INSERT INTO experiment VALUES ('e', 'f')")
    with Ledger(path, read_only=True) as ledger:
        assert ledger.rows("SELECT * FROM experiment") == [{"name": "e", "file": "f"}]
    Ledger(path).close()
    with Ledger(path, read_only=True) as ledger:
        assert ledger.rows("SELECT name, length(seal) AS n FROM experiment") == [{"name": "e", "n": 16}]


def test_what_a_killed_writer_left_is_rolled_back_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    history(path, runs=300)
    script = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for line in ('PRAGMA journal_mode = TRUNCATE', 'PRAGMA cache_size = 2', 'BEGIN IMMEDIATE',\n"
        "             'UPDATE run SET command = command || hex(zeroblob(50))'): db.execute(line)\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert path.with_name("l.sqlite-journal").stat().st_size > 0
    with Ledger(path, read_only=True) as ledger:
        assert ledger.rows("SELECT DISTINCT command FROM run") == [{"command": "run file.toml"}]


def test_a_system_that_refuses_is_not_called_damage(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite"
    history(path)
    with Ledger(path) as ledger:
        ledger._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StageError, match=r"could not be used.*full"):
            for number in range(1000):
                ledger.start_run("e", "f", str(number) * 500)


def test_closing_waits_for_what_other_threads_write(tmp_path: Path) -> None:
    """As when a run with --jobs is interrupted while a step ends; without a lock SQLite crashes the process."""
    script = """
import sqlite3, sys, threading
from pathlib import Path
from oceanpath.pipeline.ledger import READ_BY_RUNS, RECOVERED, Ledger
from oceanpath.pipeline.ledger_queries import run_of_result

def write():
    try:
        while True:
            ledger.end_step(step, seconds=1.0)
            began.set()
    except sqlite3.ProgrammingError:
        pass

for _ in range(40):
    ledger, began = Ledger(Path(sys.argv[1])), threading.Event()
    step = ledger.add_step(ledger.start_run("study", "", "run"), "train", {}, position=0, stage="train")
    thread = threading.Thread(target=write)
    thread.start()
    began.wait()
    ledger.close()
    thread.join()
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "l.sqlite"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.rows("SELECT count(*) AS n FROM step") == [{"n": 40}]
