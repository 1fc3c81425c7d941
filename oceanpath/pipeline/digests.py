"""Content digests of files outside the workspace: slides, tables, features.

A digest is cached under (path, size, mtime, inode), and not used if the file was changed within two seconds before it
was read. Times therefore only save reading; they never determine what is fresh. The digest of a whole folder is cached
under the same properties of all its files: checking that 10,000 files are unchanged takes one `stat` per file.
Each row has a checksum: a damaged row counts as missing, and a damaged cache is removed and created again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import xxhash

from oceanpath.cores import available_cores
from oceanpath.errors import ExperimentError, StageError
from oceanpath.file_digests import xxh3_of_file
from oceanpath.folders import MISSING, Stat, files_inside, list_folder, stat_of
from oceanpath.pipeline.fingerprint import fingerprint
from oceanpath.pipeline.sqlite_files import DATABASE_ERRORS, is_refusal, journal_of, row_checksum

RACY_NS = 2_000_000_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    root TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    hashed_ns INTEGER NOT NULL,
    digest TEXT NOT NULL,
    row_check TEXT NOT NULL,
    PRIMARY KEY (root, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS whole (
    root TEXT NOT NULL PRIMARY KEY,
    seen TEXT NOT NULL,
    digest TEXT NOT NULL,
    digests TEXT NOT NULL,
    row_check TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""
FILE = "root, name, size, mtime_ns, inode, hashed_ns, digest, row_check"
WHOLE = "root, seen, digest, digests, row_check"
T = TypeVar("T")
HEX = 32
"""Number of characters of a file digest."""
NO_TARGET = "0" * HEX
"""Replaces the digest of a link without a target: the link exists, its content does not."""


@dataclass(frozen=True)
class Content:
    """The content of a path: one digest of all files, and the digest of each file by its relative path."""

    digest: str
    names: tuple[str, ...]
    """Relative paths, sorted."""
    digests: str
    """The digests of the files in this order, as one text, because few callers need them."""
    stats: Mapping[str, Stat] = field(default_factory=dict, compare=False)
    """Relative path → the version of the file that has this digest, as it was before the file was read."""

    @cached_property
    def files(self) -> dict[str, str]:
        """Relative path → digest."""
        return {name: self.digests[k * HEX : (k + 1) * HEX] for k, name in enumerate(self.names)}


SMALL = 2**20
"""Bytes that are read sooner than threads are loaded and started."""


def hash_content(path: Path) -> str:
    """The digest of a file, or of a folder that readers treat as one file."""
    if not path.is_dir():
        return xxh3_of_file(path)
    inside = [(file.relative_to(path).as_posix(), xxh3_of_file(file)) for file in files_inside(path)]
    return xxhash.xxh3_128_hexdigest("\n".join(f"{name}\0{digest}" for name, digest in inside).encode())


def hash_files(paths: list[Path]) -> list[str]:
    """`hash_content` of each path, several in parallel if they are large."""
    if all(path.is_file() for path in paths) and sum(path.stat().st_size for path in paths) < SMALL:
        return [hash_content(path) for path in paths]
    from concurrent.futures import ThreadPoolExecutor  # not needed when nothing changed

    pool = ThreadPoolExecutor(max_workers=available_cores())
    try:
        return list(pool.map(hash_content, paths))
    finally:
        pool.shutdown(
            wait=False, cancel_futures=True
        )  # so that an interruption does not wait for a file that is being read


class DigestCache:
    """Content digests by path, cached in one SQLite file that may be deleted at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def content(self, root: Path) -> Content:
        """The content of a file, or of all files below a folder, independent of their order and of the folder's path.

        Raises: ExperimentError: there is no such path, or it cannot be read.
        """
        if not root.exists():
            raise ExperimentError("there is no such file or folder", where=root)
        try:
            files = {root.name: Stat.of(root.stat())} if root.is_file() else list_folder(root).files
            return self._retry_where_damaged(lambda: self._content(root, files))
        except OSError as error:
            raise ExperimentError("cannot be read", where=root, got=error) from error
        except UnicodeEncodeError as error:
            raise ExperimentError(
                "the name of a file is not valid UTF-8", where=root, do="Rename it, in UTF-8."
            ) from error

    def recheck(self) -> list[Path]:
        """Files whose content changed although size and time are as cached; their digests are removed."""
        return self._retry_where_damaged(self._recheck) if self.path.exists() else []

    def _retry_where_damaged(self, use: Callable[[], T]) -> T:
        """The result of `use`; a damaged cache is removed first, which only costs time.

        Raises: StageError: the cache cannot be written, or the new cache is damaged too.
        """
        try:
            return use()
        except DATABASE_ERRORS as error:
            if is_refusal(error):
                raise self._refused(error) from error
        try:
            journal_of(self.path).unlink(missing_ok=True)  # it would be applied to the new file
            self.path.unlink(missing_ok=True)
            return use()
        except DATABASE_ERRORS as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> StageError:
        do = "Check that the disk is not full. The file may be deleted at any time."
        return StageError("the cache of digests cannot be used", where=self.path, got=error, do=do)

    def _content(self, root: Path, files: dict[str, Stat]) -> Content:
        versions = _digest_of_versions(files)
        return self._cached(root, versions, files) or self._compute(root, versions, files)

    def _recheck(self) -> list[Path]:
        changed: list[Path] = []
        with closing(self._connect()) as db, db:
            for root, name, size, mtime, inode, _, digest, _ in _undamaged(db.execute(f"SELECT {FILE} FROM file")):
                path = Path(root) / name if Path(root).is_dir() else Path(root)
                if path.exists() and stat_of(path) == (size, mtime, inode) and hash_content(path) != digest:
                    changed.append(path)
                    db.execute("DELETE FROM file WHERE root = ? AND name = ?", (root, name))
                    db.execute("DELETE FROM whole")
        return changed

    def _cached(self, root: Path, versions: str, stats: dict[str, Stat]) -> Content | None:
        """The cached content of a folder in which no file changed, otherwise None."""
        if not self.path.exists():
            return None
        with closing(self._connect()) as db:
            query = f"SELECT {WHOLE} FROM whole WHERE root = ? AND seen = ?"
            rows = _undamaged(db.execute(query, (str(root), versions)))
        return Content(rows[0][2], tuple(sorted(stats)), rows[0][3], stats) if rows else None

    def _compute(self, root: Path, versions: str, stats: dict[str, Stat]) -> Content:
        """The content; files without a valid cached digest are read. It is cached unless a file changed just now."""
        when = time.time_ns()
        fresh = self._trusted(root, stats) | {name: NO_TARGET for name, stat in stats.items() if stat == MISSING}
        stale = [name for name in stats if name not in fresh]
        hashed = self._hash(root, stale, stats) if stale else {}
        digests = {name: fresh.get(name) or hashed[name] for name in sorted(stats)}
        whole = fingerprint(list(digests.items()) if root.is_dir() else list(digests.values()))
        content = Content(whole, tuple(digests), "".join(digests.values()), stats)
        if all(stats[name].mtime_ns < when - RACY_NS for name in stale):
            with closing(self._connect()) as db, db:
                row = _with_checksum((str(root), versions, content.digest, content.digests))
                db.execute(f"INSERT OR REPLACE INTO whole ({WHOLE}) VALUES (?, ?, ?, ?, ?)", row)
        return content

    def _hash(self, root: Path, names: list[str], stats: dict[str, Stat]) -> dict[str, str]:
        when = time.time_ns()
        paths = [root / name if root.is_dir() else root for name in names]
        digests = dict(zip(names, hash_files(paths), strict=True))
        rows = [_with_checksum((str(root), name, *stats[name], when, digest)) for name, digest in digests.items()]
        with closing(self._connect()) as db, db:
            db.executemany(f"INSERT OR REPLACE INTO file ({FILE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return digests

    def _trusted(self, root: Path, stats: dict[str, Stat]) -> dict[str, str]:
        """Cached digests of the files that have not changed since they were read."""
        if not self.path.exists():
            return {}
        with closing(self._connect()) as db:
            rows = _undamaged(db.execute(f"SELECT {FILE} FROM file WHERE root = ?", (str(root),)))
        return {
            name: digest
            for _, name, size, mtime, inode, hashed, digest, _ in rows
            if stats.get(name) == (size, mtime, inode) and mtime < hashed - RACY_NS
        }

    def _connect(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=30)
        try:
            db.executescript(SCHEMA)
        except DATABASE_ERRORS:
            db.close()
            raise
        return db


def _with_checksum(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row, with its checksum as the last value."""
    return (*row, row_checksum(*row))


def _undamaged(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows with the correct checksum."""
    return [row for row in rows if _with_checksum(row[:-1]) == row]


def _digest_of_versions(stats: dict[str, Stat]) -> str:
    """One digest of the names and versions of all files, in the order of the folder."""
    numbers = ",".join(map(str, chain.from_iterable(stats.values())))
    return xxhash.xxh3_128_hexdigest("\0".join([*stats, numbers]).encode())
