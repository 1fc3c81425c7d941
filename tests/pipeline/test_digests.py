"""Contents decide; times only save reading."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.file_digests import xxh3_of_file
from oceanpath.pipeline import digests
from oceanpath.pipeline.digests import DigestCache

from ..recording import recorded


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.bin", "deep/b.bin", ".hidden"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
    return tmp_path / "tree"


def aged(tree: Path) -> None:
    past = time.time() - 100
    for path in tree.rglob("*"):
        os.utime(path, (past, past))


def test_a_folder_is_its_names_and_contents_wherever_it_lies(tree: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    one = cache.content(tree)
    shutil.copytree(tree, tmp_path / "copy")
    assert cache.content(tmp_path / "copy") == one
    for tried in (cache.content(tree), DigestCache(tmp_path / "d.sqlite").content(tree)):
        assert {name: stat.inode for name, stat in tried.stats.items()} == {
            name: (tree / name).stat().st_ino for name in one.names
        }
    assert set(one.files) == {"a.bin", "deep/b.bin"}


@pytest.mark.parametrize("change", ["content", "name", "new", "gone"])
def test_every_change_is_seen(tree: Path, tmp_path: Path, change: str) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    before = cache.content(tree).digest
    if change == "content":
        (tree / "a.bin").write_bytes(b"x" * 500)
    elif change == "name":
        (tree / "a.bin").rename(tree / "c.bin")
    elif change == "new":
        (tree / "c.bin").write_bytes(b"")
    else:
        (tree / "a.bin").unlink()
    assert cache.content(tree).digest != before


def test_a_file_is_its_content_alone(tree: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    before = cache.content(tree / "a.bin").digest
    (tree / "a.bin").rename(tree / "c.bin")
    assert cache.content(tree / "c.bin").digest == before


def test_what_is_old_is_not_read_again_and_what_is_young_is(tree: Path, tmp_path: Path, monkeypatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(digests, "xxh3_of_file", recorded(xxh3_of_file, lambda path: read.append(path.name)))
    cache = DigestCache(tmp_path / "d.sqlite")
    cache.content(tree)
    cache.content(tree)
    assert sorted(read) == ["a.bin", "a.bin", "b.bin", "b.bin"]  # younger than two seconds: never trusted
    aged(tree)
    cache.content(tree)
    read.clear()
    cache.content(tree)
    assert read == []


def test_the_cache_may_vanish(tree: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    before = cache.content(tree)
    (tmp_path / "d.sqlite").unlink()
    assert cache.content(tree) == before


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="no such file or folder"):
        DigestCache(tmp_path / "d.sqlite").content(tmp_path / "gone")


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders whose files are compared one by one from now on."""
    looked: list[Path] = []
    compute = recorded(DigestCache._compute, lambda self, root, *rest: looked.append(root))
    monkeypatch.setattr(DigestCache, "_compute", compute)
    return looked


def test_an_unchanged_folder_is_known_as_a_whole(tree: Path, tmp_path: Path, monkeypatch) -> None:
    cache, looked = DigestCache(tmp_path / "d.sqlite"), count_looks(monkeypatch)
    young = cache.content(tree)
    assert cache.content(tree) == young
    assert len(looked) == 2  # younger than two seconds
    aged(tree)
    first = cache.content(tree)
    looked.clear()
    whole = cache.content(tree)
    assert looked == []
    assert whole == first == young
    assert whole.files == {name: xxh3_of_file(tree / name) for name in ("a.bin", "deep/b.bin")}


@pytest.mark.parametrize("change", ["content", "clock", "inode", "name", "new", "gone", "moved"])
def test_a_folder_of_which_anything_changed_is_looked_through(
    tree: Path, tmp_path: Path, monkeypatch, change: str
) -> None:
    cache, looked, one = DigestCache(tmp_path / "d.sqlite"), count_looks(monkeypatch), tree / "a.bin"
    aged(tree)
    before = cache.content(tree)
    looked.clear()
    if change == "content":
        one.write_bytes(b"y" * one.stat().st_size)
        os.utime(one, ns=(10**18, 10**18))
    elif change == "clock":
        os.utime(one, ns=(10**18, 10**18))
    elif change == "inode":
        shutil.copy2(one, tree / "c.bin")
        (tree / "c.bin").replace(one)
    elif change == "name":
        one.rename(tree / "c.bin")
    elif change == "new":
        (tree / "c.bin").write_bytes(b"")
    elif change == "gone":
        one.unlink()
    else:
        one.rename(tree / "deep" / "a.bin")
    after = cache.content(tree)
    assert looked == [tree]
    assert (after == before) == (change in ("clock", "inode"))


def test_a_recheck_forgets_the_whole_too(tree: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    aged(tree)
    before, state = cache.content(tree), (tree / "a.bin").stat()
    (tree / "a.bin").write_bytes(b"z" * state.st_size)
    os.utime(tree / "a.bin", ns=(state.st_atime_ns, state.st_mtime_ns))  # a disk that flips a byte
    assert cache.content(tree) == before
    assert cache.recheck() == [tree / "a.bin"]
    assert cache.content(tree).digest != before.digest


def test_names_that_are_not_text_are_names(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / os.fsdecode(b"a\xff.bin")).write_bytes(b"x")
    aged(tmp_path / "t")
    cache = DigestCache(tmp_path / "d.sqlite")
    with pytest.raises(ExperimentError, match="not valid UTF-8"):
        cache.content(tmp_path / "t")


def test_ten_thousand_unchanged_files_are_known_by_one_look_at_each(tmp_path: Path) -> None:
    """The figure of docs/benchmarks.md, as milliseconds and as a multiple of asking the system for every file."""
    tree, past = tmp_path / "tree", (10**9, 10**9)
    tree.mkdir()
    for number in range(10_000):
        (tree / f"slide_{number:05d}.h5").touch()
        os.utime(tree / f"slide_{number:05d}.h5", past)
    cache = DigestCache(tmp_path / "d.sqlite")
    before = cache.content(tree)

    def look() -> None:
        with os.scandir(tree) as entries:
            assert sum(entry.stat().st_size for entry in entries) == 0

    ways = {"look": look, "content": lambda: cache.content(tree)}
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(5):  # in turn, so that both see the same machine
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - start)
    assert cache.content(tree) == before
    print(f"10,000 unchanged files: {best['content'] * 1e3:.0f} ms; a look at each: {best['look'] * 1e3:.0f} ms")
    assert best["content"] < 4 * best["look"]


DAMAGE = {
    "text": lambda raw: b"this is no database" * 100,
    "zeros": lambda raw: bytes(len(raw)),
    "cut": lambda raw: raw[: len(raw) // 2],
    "empty": lambda raw: b"",
    "schema": lambda raw: raw.replace(b"mtime_ns INTEGER", b"mtime_nx INTEGER"),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_cache_is_removed_and_made_again(tree: Path, tmp_path: Path, how: str) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    aged(tree)
    before = cache.content(tree)
    cache.path.write_bytes(DAMAGE[how](cache.path.read_bytes()))
    assert cache.content(tree) == before
    cache.path.write_bytes(DAMAGE[how](cache.path.read_bytes()))
    assert cache.recheck() == []
    assert cache.content(tree) == before


@pytest.mark.parametrize("table", ["file", "whole"])
def test_a_damaged_row_counts_as_forgotten(tree: Path, tmp_path: Path, table: str) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    aged(tree)
    before = cache.content(tree)
    with contextlib.closing(sqlite3.connect(cache.path)) as db, db:
        if table == "file":
            db.execute("DELETE FROM whole")
        db.execute(f"UPDATE {table} SET digest = 'f' || substr(digest, 2)")
    assert cache.content(tree) == before
    assert cache.recheck() == []


def test_a_cache_of_an_older_form_is_made_again(tree: Path, tmp_path: Path) -> None:
    cache = DigestCache(tmp_path / "d.sqlite")
    with contextlib.closing(sqlite3.connect(cache.path)) as db, db:
        db.execute("CREATE TABLE file (root TEXT, name TEXT, size INTEGER, digest TEXT)")
    assert cache.content(tree) == DigestCache(tmp_path / "other.sqlite").content(tree)
