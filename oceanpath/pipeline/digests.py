"""Content digests of what lies outside the workspace: slides, tables, ready features.

A digest is remembered under (path, size, mtime, inode) and never trusted when the file was changed within two seconds
of being hashed. Times therefore only save reading; they never decide what is fresh. What a whole folder was found to
hold is remembered under the same of all its files: knowing that 10,000 of them are unchanged is one look at each.
Each row has a check sum: one that was damaged counts as forgotten, and a damaged file is removed and made again.
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

from oceanpath.cores import open_cores
from oceanpath.errors import ExperimentError, StageError
from oceanpath.folders import GONE, Stat, files_inside, list_folder, stat_of
from oceanpath.pipeline.fingerprint import fingerprint
from oceanpath.pipeline.sqlite_files import is_refusal, journal_of, row_sum

RACY_NS = 2_000_000_000
BLOCK = 1 << 20
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
"""Characters of a file's digest."""
NOTHING = "0" * HEX
"""In place of the digest of a link without a target: the link is there, and its content is not."""


@dataclass(frozen=True)
class Content:
    """What a path holds: one digest for all, and the digest of each file by its relative path."""

    digest: str
    names: tuple[str, ...]
    """Relative paths, sorted."""
    digests: str
    """The digests of the files in that order, end to end: few ask for them."""
    stats: Mapping[str, Stat] = field(default_factory=dict, compare=False)
    """Relative path → the version of the file that has this digest; it was looked at before the file was read."""

    @cached_property
    def files(self) -> dict[str, str]:
        """Relative path → digest."""
        return {name: self.digests[k * HEX : (k + 1) * HEX] for k, name in enumerate(self.names)}


def hash_file(path: Path) -> str:
    """xxh3-128 hex digest of a file's bytes."""
    digest = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def hash_content(path: Path) -> str:
    """The digest of a file, or of all files of a folder that is one file to its readers."""
    if not path.is_dir():
        return hash_file(path)
    inside = [(file.relative_to(path).as_posix(), hash_file(file)) for file in files_inside(path)]
    return xxhash.xxh3_128_hexdigest("\n".join(f"{name}\0{digest}" for name, digest in inside).encode())


def hash_files(paths: list[Path]) -> list[str]:
    """`hash_content` of each, several at once."""
    from concurrent.futures import ThreadPoolExecutor  # not needed when nothing changed

    pool = ThreadPoolExecutor(max_workers=open_cores())
    try:
        return list(pool.map(hash_content, paths))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupt does not wait for the file that is read


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
            files = {root.name: Stat.of(root.stat())} if root.is_file() else list_folder(root).files
            return self._again_where_damaged(lambda: self._content(root, files))
        except OSError as error:
            raise ExperimentError("cannot be read", where=root, got=error) from error
        except UnicodeEncodeError as error:
            raise ExperimentError("the name of a file is not text", where=root, do="Rename it in UTF-8.") from error

    def recheck(self) -> list[Path]:
        """Files whose content is no longer what is remembered although size and time are; they are forgotten."""
        return self._again_where_damaged(self._recheck) if self.path.exists() else []

    def _again_where_damaged(self, use: Callable[[], T]) -> T:
        """What `use` gives; where the cache turns out to be damaged, it is removed first. Nothing but time is lost.

        Raises: StageError: the system refuses, or it is damaged at once again.
        """
        try:
            return use()
        except sqlite3.DatabaseError as error:
            if is_refusal(error):
                raise self._refused(error) from error
        try:
            journal_of(self.path).unlink(missing_ok=True)  # it would be applied to the new file
            self.path.unlink(missing_ok=True)
            return use()
        except sqlite3.DatabaseError as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> StageError:
        do = "It may be deleted at any time; is the disk full?"
        return StageError("the cache of digests cannot be used", where=self.path, got=error, do=do)

    def _content(self, root: Path, files: dict[str, Stat]) -> Content:
        seen = _seen(files)
        return self._whole(root, seen, files) or self._one_by_one(root, seen, files)

    def _recheck(self) -> list[Path]:
        changed: list[Path] = []
        with closing(self._connect()) as db, db:
            for root, name, size, mtime, inode, _, digest, _ in _sound(db.execute(f"SELECT {FILE} FROM file")):
                path = Path(root) / name if Path(root).is_dir() else Path(root)
                if path.exists() and stat_of(path) == (size, mtime, inode) and hash_content(path) != digest:
                    changed.append(path)
                    db.execute("DELETE FROM file WHERE root = ? AND name = ?", (root, name))
                    db.execute("DELETE FROM whole")
        return changed

    def _whole(self, root: Path, seen: str, stats: dict[str, Stat]) -> Content | None:
        """What is remembered of all files together, where every one of them is as it was."""
        if not self.path.exists():
            return None
        with closing(self._connect()) as db:
            query = f"SELECT {WHOLE} FROM whole WHERE root = ? AND seen = ?"
            found = _sound(db.execute(query, (str(root), seen)))
        return Content(found[0][2], tuple(sorted(stats)), found[0][3], stats) if found else None

    def _one_by_one(self, root: Path, seen: str, stats: dict[str, Stat]) -> Content:
        """Digests of the files, those that cannot be trusted computed again; remembers all together where it may."""
        when = time.time_ns()
        fresh = self._trusted(root, stats) | {name: NOTHING for name, stat in stats.items() if stat == GONE}
        stale = [name for name in stats if name not in fresh]
        hashed = self._hash(root, stale, stats) if stale else {}
        digests = {name: fresh.get(name) or hashed[name] for name in sorted(stats)}
        whole = fingerprint(list(digests.items()) if root.is_dir() else list(digests.values()))
        content = Content(whole, tuple(digests), "".join(digests.values()), stats)
        if all(stats[name].mtime_ns < when - RACY_NS for name in stale):
            with closing(self._connect()) as db, db:
                row = _checked((str(root), seen, content.digest, content.digests))
                db.execute(f"INSERT OR REPLACE INTO whole ({WHOLE}) VALUES (?, ?, ?, ?, ?)", row)
        return content

    def _hash(self, root: Path, names: list[str], stats: dict[str, Stat]) -> dict[str, str]:
        when = time.time_ns()
        paths = [root / name if root.is_dir() else root for name in names]
        found = dict(zip(names, hash_files(paths), strict=True))
        rows = [_checked((str(root), name, *stats[name], when, digest)) for name, digest in found.items()]
        with closing(self._connect()) as db, db:
            db.executemany(f"INSERT OR REPLACE INTO file ({FILE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        return found

    def _trusted(self, root: Path, stats: dict[str, Stat]) -> dict[str, str]:
        """Remembered digests of the files that have not changed since they were hashed."""
        if not self.path.exists():
            return {}
        with closing(self._connect()) as db:
            rows = _sound(db.execute(f"SELECT {FILE} FROM file WHERE root = ?", (str(root),)))
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
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db


def _checked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with its check sum behind it."""
    return (*row, row_sum(*row))


def _sound(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows that have the right check sum."""
    return [row for row in rows if _checked(row[:-1]) == row]


def _seen(stats: dict[str, Stat]) -> str:
    """One digest of the names and versions of all files, in the order in which the folder gives them."""
    numbers = ",".join(map(str, chain.from_iterable(stats.values())))
    return xxhash.xxh3_128_hexdigest("\0".join([*stats, numbers]).encode())
