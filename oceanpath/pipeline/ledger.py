"""The run ledger: what was run, when, why, how long, and what came of it. One SQLite file, one writer.

What is *published* is decided by the sealed folders; the ledger is their history and index. Rollback journal and full
synchronisation, never WAL: a reported commit survives a power cut and shared disks need no shared memory.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError, StageError
from oceanpath.pipeline.migrations import migrate
from oceanpath.pipeline.processes import host, process_tag
from oceanpath.pipeline.workspace import Manifest

Row = dict[str, Any]


class Ledger:
    """An open ledger. Writers hold it for one statement at a time."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            self._db = self._open(read_only)
        except sqlite3.DatabaseError as error:
            do = "`oceanpath ledger rebuild` makes it anew from what is published."
            raise ArtifactError("the ledger cannot be opened", where=path, got=error, do=do) from error

    def _open(self, read_only: bool) -> sqlite3.Connection:
        if read_only:
            db = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=30, isolation_level=None)
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode = TRUNCATE")
            db.execute("PRAGMA synchronous = FULL")
            migrate(db, self.path)
        db.execute("PRAGMA foreign_keys = ON")
        db.row_factory = sqlite3.Row
        return db

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become visible at once, or not at all; inside another it is part of that one.

        Raises:
            StageError: the disk refuses.
        """
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
        try:
            return self._db.execute(sql, values)
        except sqlite3.OperationalError as error:
            do = "What is published is safe. Make room, then run the same command again."
            raise StageError("the ledger could not be written", where=self.path, got=error, do=do) from error

    def start_run(self, experiment: str, file: str, command: str, living: Collection[str] = ()) -> int:
        """Record that a run began; returns its number. Runs of other processes than `living` are marked interrupted."""
        with self.transaction():
            self._end_dead_runs(living)
            self._write("INSERT OR REPLACE INTO experiment VALUES (?, ?)", (experiment, file))
            cursor = self._write(
                "INSERT INTO run (experiment, command, started, state, host, process, environment)"
                " VALUES (?, ?, ?, 'running', ?, ?, '{}')",
                (experiment, command, time.time(), host(), process_tag()),
            )
        return int(cursor.lastrowid or 0)

    def set_environment(self, run: int, environment: Mapping[str, Any]) -> None:
        """Record what a run that makes something was run with."""
        self._write("UPDATE run SET environment = ? WHERE id = ?", (json.dumps(environment, sort_keys=True), run))

    def end_run(self, run: int, state: str, error: str = "") -> None:
        """Record how a run ended: ``ok``, ``failed`` or ``interrupted``; steps that had not ended were interrupted."""
        self._write("UPDATE step SET state = 'interrupted' WHERE run = ? AND state = 'running'", (run,))
        sql = "UPDATE run SET ended = ?, state = ?, error = ? WHERE id = ?"
        self._write(sql, (time.time(), state, error or None, run))

    def add_step(self, run: int, name: str, identity: Mapping[str, Any], **facts: Any) -> int:
        """Record a step of a run with the facts known by now; returns its number.

        `facts` must tell position and stage; besides, state, fingerprint and why.
        """
        row: dict[str, Any] = {"run": run, "name": name, "identity": json.dumps(identity, sort_keys=True), "why": []}
        row |= {"started": time.time(), "state": "running", **facts}
        row["why"] = json.dumps(row["why"])
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        cursor = self._write(f"INSERT INTO step ({columns}) VALUES ({marks})", tuple(row.values()))
        return int(cursor.lastrowid or 0)

    def end_step(self, step: int, **facts: Any) -> None:
        """Record facts of a step: state, seconds, peak_mb, error."""
        columns = ", ".join(f"{key} = ?" for key in facts)
        self._write(f"UPDATE step SET {columns} WHERE id = ?", (*facts.values(), step))

    def add_part(self, step: int, key: str, fingerprint: str, state: str, seconds: float, error: str = "") -> None:
        """Record one part of a mapped step."""
        values = (step, key, fingerprint, state, seconds, error or None)
        self._write("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)", values)

    def add_artifact(self, manifest: Manifest) -> None:
        """Index a published folder and its metrics."""
        lines, identity = json.dumps(manifest.summary["lines"]), json.dumps(manifest.identity, sort_keys=True)
        head = (manifest.fingerprint, manifest.kind, manifest.stage, manifest.version, manifest.digest)
        row = (*head, manifest.bytes, len(manifest.files), lines, identity)
        with self.transaction():
            self._write("DELETE FROM metric WHERE fingerprint = ?", (manifest.fingerprint,))
            self._write("INSERT OR REPLACE INTO artifact VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            for name, value in manifest.summary["metrics"].items():
                number = float(value) if isinstance(value, (int, float)) else None
                text = value if isinstance(value, str) else None
                self._write("INSERT INTO metric VALUES (?, ?, ?, ?)", (manifest.fingerprint, name, number, text))

    def add_past(self, experiment: str, steps: Mapping[str, Manifest]) -> None:
        """Record what an experiment uses, found on disk, as a run of its own. Times and durations are lost."""
        run = self.start_run(experiment, "", "found on disk by ledger rebuild")
        for position, (name, manifest) in enumerate(steps.items()):
            facts = {"position": position, "stage": manifest.stage, "fingerprint": manifest.fingerprint}
            self.add_step(run, name, manifest.identity, **facts, state="fresh")
        self.end_run(run, "ok")

    def knows(self, fingerprint: str) -> bool:
        """Whether a published folder is in the index."""
        return bool(self.rows("SELECT 1 FROM artifact WHERE fingerprint = ?", (fingerprint,)))

    def last_identity(self, experiment: str, step: str) -> Mapping[str, Any] | None:
        """The identity under which `step` last was complete in `experiment`."""
        # one search a state: each walks its index backwards and stops, however long the history is
        sql = (
            "SELECT step.id, step.identity FROM step JOIN run ON run.id = step.run WHERE run.experiment = ?"
            " AND step.name = ? AND step.state = ? ORDER BY step.id DESC LIMIT 1"
        )
        found = [
            row for state in ("ok", "fresh") if (row := self._db.execute(sql, (experiment, step, state)).fetchone())
        ]
        return dict(json.loads(max(found, key=lambda row: int(row["id"]))["identity"])) if found else None

    def last_cost(self, stage: str) -> tuple[float, int] | None:
        """Seconds and bytes of the last time a stage was made whole; None when it never was."""
        sql = (
            "SELECT seconds, bytes FROM step JOIN artifact USING (fingerprint)"
            " WHERE step.stage = ? AND state = 'ok' AND seconds IS NOT NULL ORDER BY step.id DESC LIMIT 1"
        )
        row = self._db.execute(sql, (stage,)).fetchone()
        return None if row is None else (float(row[0]), int(row[1]))

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Rows of a query, as dictionaries."""
        return [dict(row) for row in self._db.execute(sql, values)]

    def _end_dead_runs(self, living: Collection[str]) -> None:
        for row in self.rows("SELECT id, process FROM run WHERE state = 'running'"):
            if row["process"] not in living:
                self._write("UPDATE run SET state = 'interrupted' WHERE id = ?", (row["id"],))
                sql = "UPDATE step SET state = 'interrupted' WHERE run = ? AND state = 'running'"
                self._write(sql, (row["id"],))
