"""Content digests of what lies outside the workspace: slides, tables, ready features.

A digest is remembered under (path, size, mtime, inode) and never trusted when the file was changed within two seconds
of being hashed. Times therefore only save reading; they never decide what is fresh.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import xxhash

from oceanpath.errors import ExperimentError, StageError
from oceanpath.pipeline.fingerprint import fingerprint

RACY_NS = 2_000_000_000
BLOCK = 1 << 20
COLUMNS = "root, name, size, mtime_ns, inode, digest"
SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    root TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    hashed_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (root, name)
) STRICT, WITHOUT ROWID
"""


class Stat(NamedTuple):
    """What the file system says of a file's version."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Content:
    """What a path holds: one digest for all, and the digest of each file by its relative path."""

    digest: str
    files: dict[str, str]


def hash_file(path: Path) -> str:
    """xxh3-128 hex digest of a file's bytes."""
    digest = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class DigestCache:
    """Content digests by path, remembered in one SQLite file that may be deleted at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def content(self, root: Path) -> Content:
        """Digest a file, or every file below a directory whatever their order and place.

        Raises: ExperimentError: nothing is there, or it cannot be read.
        """
        if not root.exists():
            raise ExperimentError("there is no such file or folder", where=root)
        try:
            files = _stat_tree(root)
            fresh = self._trusted(root, files)
            stale = [name for name in files if name not in fresh]
            hashed = self._hash(root, stale, files) if stale else {}
        except OSError as error:
            raise ExperimentError("cannot be read", where=root, got=error) from error
        except sqlite3.DatabaseError as error:
            do = "It may be deleted at any time; is the disk full?"
            raise StageError("the cache of digests cannot be used", where=self.path, got=error, do=do) from error
        digests = {name: fresh.get(name) or hashed[name] for name in sorted(files)}
        return Content(fingerprint(list(digests.items()) if root.is_dir() else list(digests.values())), digests)

    def recheck(self) -> list[Path]:
        """Files whose content is no longer what is remembered although size and time are; they are forgotten."""
        if not self.path.exists():
            return []
        changed: list[Path] = []
        with closing(self._connect()) as db, db:
            for root, name, size, mtime, inode, digest in db.execute(f"SELECT {COLUMNS} FROM file").fetchall():
                path = Path(root) / name if Path(root).is_dir() else Path(root)
                if path.is_file() and _stat(path.stat()) == (size, mtime, inode) and hash_file(path) != digest:
                    changed.append(path)
                    db.execute("DELETE FROM file WHERE root = ? AND name = ?", (root, name))
        return changed

    def _hash(self, root: Path, names: list[str], stats: dict[str, Stat]) -> dict[str, str]:
        from concurrent.futures import ThreadPoolExecutor  # not needed when nothing changed

        when = time.time_ns()
        paths = [root / name if root.is_dir() else root for name in names]
        with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            found = dict(zip(names, pool.map(hash_file, paths), strict=True))
        rows = [(str(root), name, *stats[name], when, digest) for name, digest in found.items()]
        with closing(self._connect()) as db, db:
            db.executemany("INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        return found

    def _trusted(self, root: Path, stats: dict[str, Stat]) -> dict[str, str]:
        """Remembered digests of the files that have not changed since they were hashed."""
        if not self.path.exists():
            return {}
        query = "SELECT name, size, mtime_ns, inode, hashed_ns, digest FROM file WHERE root = ?"
        with closing(self._connect()) as db:
            rows = db.execute(query, (str(root),)).fetchall()
        return {
            name: digest
            for name, size, mtime, inode, hashed, digest in rows
            if stats.get(name) == (size, mtime, inode) and mtime < hashed - RACY_NS
        }

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=30)
        db.execute(SCHEMA)
        return db


def _stat_tree(root: Path) -> dict[str, Stat]:
    """Relative posix name → (size, mtime_ns, inode) of every file that is not hidden."""
    if root.is_file():
        return {root.name: _stat(root.stat())}
    found: dict[str, Stat] = {}
    folders = [(os.fspath(root), "")]
    while folders:
        folder, prefix = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append((entry.path, f"{prefix}{entry.name}/"))
                else:
                    found[prefix + entry.name] = _stat(entry.stat())
    return found


def _stat(stat: os.stat_result) -> Stat:
    return Stat(stat.st_size, stat.st_mtime_ns, stat.st_ino)
