"""The ledger opens what is its own, and nothing else."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.migrations import MIGRATIONS


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
