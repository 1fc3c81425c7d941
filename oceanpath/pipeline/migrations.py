"""The schema of the ledger: one migration per version.

A released migration is never edited; new ones are added at the end. Since version 2 each row has a seal: a digest of
its other values, which reveals a damaged row.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Collection
from functools import cache
from pathlib import Path

from oceanpath.errors import ArtifactError
from oceanpath.pipeline.sqlite_files import row_checksum

APPLICATION_ID = 0x0CEA9A7B

_FIRST = """
CREATE TABLE experiment (
    name TEXT PRIMARY KEY,
    file TEXT NOT NULL
) STRICT;
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    experiment TEXT NOT NULL REFERENCES experiment (name),
    command TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL,
    state TEXT NOT NULL CHECK (state IN ('running', 'ok', 'failed', 'interrupted')),
    host TEXT NOT NULL,
    process TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (json_valid(environment)),
    error TEXT
) STRICT;
CREATE TABLE step (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    stage TEXT NOT NULL,
    fingerprint TEXT,
    state TEXT NOT NULL CHECK (state IN ('running', 'fresh', 'ok', 'failed', 'interrupted', 'skipped')),
    why TEXT NOT NULL CHECK (json_valid(why)),
    identity TEXT NOT NULL CHECK (json_valid(identity)),
    started REAL NOT NULL,
    seconds REAL,
    peak_mb REAL,
    error TEXT
) STRICT;
CREATE INDEX step_of_run ON step (run);
CREATE INDEX step_by_name ON step (name, state);
CREATE TABLE part (
    step INTEGER NOT NULL REFERENCES step (id),
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('fresh', 'ok', 'failed')),
    seconds REAL,
    error TEXT,
    PRIMARY KEY (step, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE artifact (
    fingerprint TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('stage', 'part')),
    stage TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    files INTEGER NOT NULL,
    lines TEXT NOT NULL CHECK (json_valid(lines)),
    identity TEXT NOT NULL CHECK (json_valid(identity))
) STRICT, WITHOUT ROWID;
CREATE TABLE metric (
    fingerprint TEXT NOT NULL REFERENCES artifact (fingerprint),
    name TEXT NOT NULL,
    value REAL,
    text TEXT,
    PRIMARY KEY (fingerprint, name)
) STRICT, WITHOUT ROWID;
"""

COLUMNS = {
    "experiment": ("name", "file"),
    "run": ("id", "experiment", "command", "started", "ended", "state", "host", "process", "environment", "error"),
    "step": (
        *("id", "run", "position", "name", "stage", "fingerprint", "state", "why", "identity"),
        *("started", "seconds", "peak_mb", "error"),
    ),
    "part": ("step", "key", "fingerprint", "state", "seconds", "error"),
    "artifact": ("fingerprint", "kind", "stage", "version", "digest", "bytes", "files", "lines", "identity"),
    "metric": ("fingerprint", "name", "value", "text"),
}
"""Table → the columns that the seal of a row covers."""


def seal_expression(table: str) -> str:
    """SQL: the seal that a row of a table must have."""
    return f"row_seal({', '.join(COLUMNS[table])})"


_SEALS = ";".join(
    f"ALTER TABLE {table} ADD COLUMN seal TEXT NOT NULL DEFAULT ''; UPDATE {table} SET seal = {seal_expression(table)}"
    for table in COLUMNS
)

MIGRATIONS = (_FIRST, _SEALS)
"""``MIGRATIONS[n]`` changes version n to n + 1."""


def migrate(db: sqlite3.Connection) -> None:
    """Update an open ledger to the newest schema, each migration and its version number in one transaction."""
    while _number(db, "user_version") < len(MIGRATIONS):
        _apply_next(db)


def check(db: sqlite3.Connection, tables: Collection[str], path: Path) -> None:
    """Check the schema, and every page, index and row of `tables` for damage; with all tables, the whole file.

    Raises: ArtifactError: the file is not a ledger, or a newer version of OceanPath wrote it. sqlite3.DatabaseError:
    damage.
    """
    db.execute("BEGIN")  # so that all statements below see the same state
    try:
        version = _number(db, "user_version")
        if version and _number(db, "application_id") != APPLICATION_ID:
            raise ArtifactError("this SQLite file is not an OceanPath ledger", where=path, do=rebuild_command(path))
        if version > len(MIGRATIONS):
            expected, do = f"version <= {len(MIGRATIONS)}", f"Update OceanPath, or {rebuild_command(path)}"
            raise ArtifactError(
                "a newer version of OceanPath wrote this ledger", where=path, expected=expected, got=version, do=do
            )
        if _schema(db) != _expected(version):
            raise sqlite3.DatabaseError("its tables are not those of a ledger")
        for scope in (1,) if set(tables) == set(COLUMNS) else tables if version else ():
            if (result := db.execute(f"PRAGMA integrity_check({scope})").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(result)
        for table in tables if version > 1 else ():
            if db.execute(f"SELECT 1 FROM {table} WHERE seal IS NOT {seal_expression(table)} LIMIT 1").fetchone():
                raise sqlite3.DatabaseError(f"a row of the table {table} differs from its digest")
    finally:
        db.execute("ROLLBACK")


def rebuild_command(path: Path) -> str:
    """A sentence with the command that rebuilds a ledger."""
    command = f"oceanpath ledger rebuild --workspace {shlex.quote(str(path.parent))}"
    return f"`{command}` builds it again from the published results."


def add_functions(db: sqlite3.Connection) -> None:
    """Add the SQL function `row_seal` to this connection."""
    db.create_function("row_seal", -1, row_checksum, deterministic=True)


def _schema(db: sqlite3.Connection) -> list[tuple[str, str | None]]:
    return [(name, sql) for name, sql in db.execute("SELECT name, sql FROM sqlite_master ORDER BY name")]


@cache
def _expected(version: int) -> list[tuple[str, str | None]]:
    """The schema of a version, as SQLite stores it."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    add_functions(db)
    for script in MIGRATIONS[:version]:
        for statement in script.split(";"):
            db.execute(statement)
    schema = _schema(db)
    db.close()
    return schema


def _apply_next(db: sqlite3.Connection) -> None:
    """Apply the next migration, unless another process just did."""
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _number(db, "user_version")
        if version < len(MIGRATIONS):
            for statement in MIGRATIONS[version].split(";"):
                db.execute(statement)
            version += 1
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {version}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
