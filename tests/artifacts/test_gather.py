"""Files of published folders appear elsewhere whole, as links or as copies; and what a seal says."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from oceanpath.artifacts.gather import link_file, link_tree, remove_copies, sealed_digests, update_links
from oceanpath.errors import ArtifactError


def test_what_the_seal_says(tmp_path: Path) -> None:
    assert sealed_digests(tmp_path) == {}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"a/b": {"size": 3, "digest": "x"}}}))
    assert sealed_digests(tmp_path) == {"a/b": "x"}
    (tmp_path / "manifest.json").write_text('{"files": {"a": 3}}')
    with pytest.raises(ArtifactError, match="seal"):
        sealed_digests(tmp_path)


REFUSED = [errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.h5").write_text("a")
    (folder / "deep" / "a.jpg").write_text("picture")
    (folder / "manifest.json").write_text("{}")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refuse(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)


@pytest.mark.parametrize("number", [0, *REFUSED])
def test_where_links_are_refused_files_are_copied(published: Path, tmp_path: Path, number: int, monkeypatch) -> None:
    if number:
        refuse(number, monkeypatch)
    link_tree(published, tmp_path / "tree")
    assert names(tmp_path / "tree") == ["a.h5", "deep/a.jpg"]
    assert (published / "a.h5").stat().st_nlink == (1 if number else 2)
    assert update_links(published, tmp_path / "out", "mark") == 2
    before = (tmp_path / "out" / "a.h5").stat()
    assert update_links(published, tmp_path / "out", "mark") == 0
    assert (tmp_path / "out" / "a.h5").stat().st_mtime_ns == before.st_mtime_ns
    assert names(tmp_path / "out") == ["a.h5", "deep/a.jpg"]


def test_any_other_refusal_is_raised_and_touches_nothing(published: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "there.h5").write_text("another file's bytes")
    with pytest.raises(FileExistsError):
        link_file(published / "a.h5", tmp_path / "there.h5")
    assert (tmp_path / "there.h5").read_text() == "another file's bytes"
    refuse(errno.ENOSPC, monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        link_file(published / "a.h5", tmp_path / "b.h5")
    with pytest.raises(OSError, match="No space left"):
        update_links(published, tmp_path / "out", "mark")
    assert names(tmp_path / "out") == []


def test_what_lies_there_is_replaced_and_never_written_through_its_links(published: Path, tmp_path: Path) -> None:
    update_links(published, tmp_path / "out", "mark")
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.h5").write_text("new")
    assert update_links(other, tmp_path / "out", "mark") == 1
    assert (tmp_path / "out" / "a.h5").read_text() == "new"
    assert (published / "a.h5").read_text() == "a"


def test_copies_of_published_files_alone_are_removed(published: Path, tmp_path: Path) -> None:
    update_links(published, tmp_path / "out", "mark")
    (tmp_path / "out" / "a.pt").write_text("of another tool")
    assert remove_copies(Path("a.h5"), tmp_path / "out", [tmp_path, published])
    assert names(tmp_path / "out") == ["a.pt"]
    (tmp_path / "out" / "a.h5").write_text("of another tool")
    assert not remove_copies(Path("a.h5"), tmp_path / "out", [published])
    assert names(published) == ["a.h5", "deep/a.jpg", "manifest.json"]
