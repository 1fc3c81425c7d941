"""The run ledger: what was run, when, why, how long, and with which results.

One SQLite file, one writer. Only the sealed folders determine what is published; the ledger is their history and
index. It uses a rollback journal and full synchronisation instead of WAL: a commit survives a power failure, and
network disks need no shared memory.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.migrations import COLUMNS, add_functions, check, migrate, rebuild_command, seal_expression
from oceanpath.pipeline.processes import host, process_tag
from oceanpath.pipeline.sqlite_files import DATABASE_ERRORS, is_refusal, journal_of, row_checksum
from oceanpath.pipeline.workspace import Manifest

Row = dict[str, Any]


RECOVERED = "found on disk by ledger rebuild"
"""In place of the command of a run that `ledger rebuild` recovered."""
READ_BY_RUNS = ("experiment", "run", "step")
"""The tables that a run reads."""


class Ledger:
    """An open ledger. Writers lock the file for one transaction at a time.

    The tables that are read are checked for damage first. The others have a row per part: checking them would make the
    start of a run slower with every part that was ever recorded. Rows of them that a run reads are checked when read.
    """

    def __init__(self, path: Path, *, read_only: bool = False, tables: Collection[str] = ()) -> None:
        """Open a ledger after a check of `tables`; default: all for reading, those that a run reads for writing.

        Raises: ArtifactError: the file is damaged, or is not a ledger. StageError: it cannot be opened.
        """
        self.path = path
        self._tables = tables or (COLUMNS if read_only else READ_BY_RUNS)
        self._lock = threading.RLock()  # SQLite crashes if one thread closes a connection that another one uses
        with self._translated():
            self._db = self._open(read_only)

    def _open(self, read_only: bool) -> sqlite3.Connection:
        self._reject_emptied()
        db = self._connect(read_only)
        try:
            add_functions(db)
            check(db, self._tables, self.path)
            if not read_only:
                db.execute("PRAGMA journal_mode = TRUNCATE")
                db.execute("PRAGMA synchronous = FULL")
                migrate(db)
            db.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            db.close()
            raise
        db.row_factory = sqlite3.Row
        return db

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        if read_only:
            uri = f"{self.path.resolve().as_uri()}?mode={'rw' if self._has_open_transaction() else 'ro'}"
            return sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)

    def _reject_emptied(self) -> None:
        """Raise if the file was emptied: it would be used as a new ledger."""
        emptied = self.path.is_file() and not self.path.stat().st_size
        if emptied and any(self.path.parent.glob("runs/*/*/")):
            raise sqlite3.DatabaseError("the file is empty")

    def _has_open_transaction(self) -> bool:
        """Whether a transaction is open, or was left by a killed process and must be rolled back before reading."""
        journal = journal_of(self.path)
        return journal.is_file() and journal.stat().st_size > 0

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Inside, errors of SQLite become errors of OceanPath; violated constraints are bugs and are not converted."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except DATABASE_ERRORS as error:
            if is_refusal(error):
                do = "Published results are safe. Free disk space, then run the same command again."
                raise StageError("the ledger could not be used", where=self.path, got=error, do=do) from error
            do = rebuild_command(self.path)
            raise ArtifactError("the ledger is damaged", where=self.path, got=error, do=do) from error

    def close(self) -> None:
        """Close the file; later writes of other threads raise an error there."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become visible together, or none of them; a nested transaction is part of the outer one.

        Raises: StageError: the ledger cannot be written. ArtifactError: it is damaged.
        """
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._write("BEGIN IMMEDIATE")
            try:
                yield
                self._write("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._write("ROLLBACK")
                raise

    def _write(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        with self._translated():
            return self._db.execute(sql, values)

    def _write_rows(self, table: str, sql: str, values: Sequence[Any], where: str, *key: Any) -> int:
        """Write rows of a table and seal those that `where` selects; returns the number of the last row."""
        with self.transaction():
            cursor = self._write(sql, values)
            number = int(cursor.lastrowid or 0)
            self._write(f"UPDATE {table} SET seal = {seal_expression(table)} WHERE {where}", key or (number,))
        return number

    def start_run(self, experiment: str, file: str, command: str, running: Collection[str] = ()) -> int:
        """Record that a run started; returns its number. Runs of processes not in `running` are marked interrupted."""
        with self.transaction():
            self._end_interrupted_runs(running)
            sql = "INSERT OR REPLACE INTO experiment (name, file) VALUES (?, ?)"
            self._write_rows("experiment", sql, (experiment, file), "name = ?", experiment)
            sql = (
                "INSERT INTO run (experiment, command, started, state, host, process, environment)"
                " VALUES (?, ?, ?, 'running', ?, ?, '{}')"
            )
            values = (experiment, command, time.time(), host(), process_tag())
            return self._write_rows("run", sql, values, "id = ?")

    def set_environment(self, run: int, environment: Mapping[str, Any]) -> None:
        """Record the software and hardware of a run that computes results."""
        self._update("run", run, environment=json.dumps(environment, sort_keys=True))

    def end_run(self, run: int, state: str, error: str = "") -> None:
        """Record how a run ended: ``ok``, ``failed`` or ``interrupted``; its unfinished steps become interrupted."""
        with self.transaction():
            self._interrupt_steps(run)
            self._update("run", run, ended=time.time(), state=state, error=error or None)

    def add_step(self, run: int, name: str, identity: Mapping[str, Any], **facts: Any) -> int:
        """Record a step of a run; returns its number.

        `facts` must contain position and stage, and may contain state, fingerprint and why.
        """
        row: dict[str, Any] = {"run": run, "name": name, "identity": json.dumps(identity, sort_keys=True), "why": []}
        row |= {"started": time.time(), "state": "running", **facts}
        row["why"] = json.dumps(row["why"])
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        sql = f"INSERT INTO step ({columns}) VALUES ({marks})"
        return self._write_rows("step", sql, tuple(row.values()), "id = ?")

    def end_step(self, step: int, **facts: Any) -> None:
        """Record facts of a step: state, seconds, peak_mb, error."""
        self._update("step", step, **facts)

    def add_part(self, step: int, key: str, fingerprint: str, state: str, seconds: float, error: str = "") -> None:
        """Record one part of a mapped step."""
        sql = f"INSERT OR REPLACE INTO part ({', '.join(COLUMNS['part'])}) VALUES (?, ?, ?, ?, ?, ?)"
        values = (step, key, fingerprint, state, seconds, error or None)
        self._write_rows("part", sql, values, "step = ? AND key = ?", step, key)

    def add_artifact(self, manifest: Manifest) -> None:
        """Index a published folder and its metrics."""
        lines, identity = json.dumps(manifest.summary["lines"]), json.dumps(manifest.identity, sort_keys=True)
        head = (manifest.fingerprint, manifest.kind, manifest.stage, manifest.version, manifest.digest)
        row = (*head, manifest.bytes, len(manifest.files), lines, identity)
        with self.transaction():
            self._write("DELETE FROM metric WHERE fingerprint = ?", (manifest.fingerprint,))
            columns = ", ".join(COLUMNS["artifact"])
            sql = f"INSERT OR REPLACE INTO artifact ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            self._write_rows("artifact", sql, row, "fingerprint = ?", manifest.fingerprint)
            for name, value in manifest.summary["metrics"].items():
                number = float(value) if isinstance(value, (int, float)) else None
                text = value if isinstance(value, str) else None
                sql = "INSERT INTO metric (fingerprint, name, value, text) VALUES (?, ?, ?, ?)"
                values, key = (manifest.fingerprint, name, number, text), (manifest.fingerprint, name)
                self._write_rows("metric", sql, values, "fingerprint = ? AND name = ?", *key)

    def add_recovered_run(self, experiment: str, steps: Mapping[str, Manifest]) -> None:
        """Record the current results of an experiment, read from disk, as one run; times and durations are unknown."""
        run = self.start_run(experiment, "", RECOVERED)
        for position, (name, manifest) in enumerate(steps.items()):
            facts = {"position": position, "stage": manifest.stage, "fingerprint": manifest.fingerprint}
            self.add_step(run, name, manifest.identity, **facts, state="fresh")
        self.end_run(run, "ok")

    def has_artifact(self, fingerprint: str) -> bool:
        """Whether a published folder is indexed."""
        return self._artifact(fingerprint) is not None

    def last_identity(self, experiment: str, step: str) -> Mapping[str, Any] | None:
        """The identity of the last complete result of `step` in `experiment`."""
        # one query per state: each follows its index backwards and stops at the first row, even in a long history
        sql = (
            "SELECT step.id, step.identity FROM step JOIN run ON run.id = step.run WHERE run.experiment = ?"
            " AND step.name = ? AND step.state = ? ORDER BY step.id DESC LIMIT 1"
        )
        rows = [row for state in ("ok", "fresh") for row in self.rows(sql, (experiment, step, state))]
        return dict(json.loads(max(rows, key=lambda row: int(row["id"]))["identity"])) if rows else None

    def last_cost(self, stage: str) -> tuple[float, int] | None:
        """Seconds and bytes of the last complete result of a stage; None if there is none."""
        sql = (
            "SELECT fingerprint, seconds FROM step WHERE stage = ? AND state = 'ok' AND seconds IS NOT NULL"
            " AND EXISTS (SELECT 1 FROM artifact WHERE fingerprint = step.fingerprint) ORDER BY id DESC LIMIT 1"
        )
        rows = self.rows(sql, (stage,))
        artifact = self._artifact(rows[0]["fingerprint"]) if rows else None
        return (float(rows[0]["seconds"]), int(artifact["bytes"])) if artifact else None

    def _artifact(self, fingerprint: str) -> Row | None:
        """The row of a published folder. Raises: ArtifactError: it differs from its seal."""
        rows = self.rows("SELECT * FROM artifact WHERE fingerprint = ?", (fingerprint,))
        for row in rows:
            sealed = tuple(row[column] for column in COLUMNS["artifact"])
            with self._translated():
                if row.get("seal") not in (None, row_checksum(*sealed)):  # None: of the first version
                    raise sqlite3.DatabaseError("a row of the table artifact differs from its digest")
        return rows[0] if rows else None

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Rows of a query, as dictionaries. Raises: ArtifactError: the ledger is damaged."""
        with self._lock, self._translated():
            return [dict(row) for row in self._db.execute(sql, values)]

    def _update(self, table: str, number: int, **facts: Any) -> None:
        columns = ", ".join(f"{key} = ?" for key in facts)
        sql = f"UPDATE {table} SET {columns} WHERE id = ?"
        self._write_rows(table, sql, (*facts.values(), number), "id = ?", number)

    def _end_interrupted_runs(self, running: Collection[str]) -> None:
        for row in self.rows("SELECT id, process FROM run WHERE state = 'running'"):
            if row["process"] not in running:
                self._update("run", row["id"], state="interrupted")
                self._interrupt_steps(row["id"])

    def _interrupt_steps(self, run: int) -> None:
        sql = "UPDATE step SET state = 'interrupted' WHERE run = ? AND state = 'running'"
        self._write_rows("step", sql, (run,), "run = ?", run)
