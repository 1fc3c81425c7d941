"""Contents decide; times only save reading."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from oceanpath.errors import ExperimentError
from oceanpath.pipeline import digests
from oceanpath.pipeline.digests import DigestCache


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
    real = digests.hash_file
    monkeypatch.setattr(digests, "hash_file", lambda path: read.append(path.name) or real(path))
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
