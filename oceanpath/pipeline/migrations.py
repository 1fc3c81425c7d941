"""The ledger's schema, one migration a version. A released migration is never edited; a new one is added below it."""

from __future__ import annotations

import sqlite3

from oceanpath.errors import ArtifactError

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

MIGRATIONS = (_FIRST,)
"""``MIGRATIONS[n]`` leads from version n to n + 1."""


def migrate(db: sqlite3.Connection, where: object) -> None:
    """Bring an open ledger to the newest schema, each step and its version number in one transaction.

    Raises: ArtifactError: the file is no ledger of ours, or a newer OceanPath made it.
    """
    version = _number(db, "user_version")
    if version and _number(db, "application_id") != APPLICATION_ID:
        raise ArtifactError("this SQLite file is not an OceanPath ledger", where=where)
    if version > len(MIGRATIONS):
        expected = f"version <= {len(MIGRATIONS)}"
        raise ArtifactError("a newer OceanPath made this ledger", where=where, expected=expected, got=version)
    while version < len(MIGRATIONS):
        version = _step(db)


def _step(db: sqlite3.Connection) -> int:
    """Apply the next migration, unless another process just did; returns the version reached."""
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
    return version


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
