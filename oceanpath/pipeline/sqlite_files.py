"""Functions for both SQLite files of a workspace: checksums of rows, and distinguishing damage from other errors."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import xxhash

REFUSALS = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED),
    *(sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_READONLY),
}


DATABASE_ERRORS = (sqlite3.DatabaseError, UnicodeDecodeError)
"""Exceptions on reading a damaged file; Python cannot decode SQLite's message if it quotes damaged text."""


def is_refusal(error: Exception) -> bool:
    """Whether the operating system caused the error, so that the file may be undamaged; all others mean damage."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in REFUSALS


def row_checksum(*values: object) -> str:
    """The checksum of a row."""
    return xxhash.xxh3_64_hexdigest(repr(values).encode())


def journal_of(path: Path) -> Path:
    """The rollback journal that SQLite writes until a transaction is committed."""
    return path.with_name(f"{path.name}-journal")
