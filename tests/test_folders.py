"""One way to list a folder: links followed, each folder once, nothing passed over in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oceanpath.artifacts.features.files import find_features
from oceanpath.folders import MISSING, list_folder, stat_of
from oceanpath.pipeline.digests import DigestCache


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def names(root: Path) -> list[str]:
    return sorted(list_folder(root).files)


def test_folders_that_are_links_are_listed_under_the_name_of_the_link(tmp_path: Path) -> None:
    put(tmp_path / "far", "a.svs", "deep/b.svs", ".hidden/c.svs", ".d.svs")
    put(tmp_path / "slides", "own.svs")
    (tmp_path / "slides/site").symlink_to("../far")
    assert names(tmp_path / "slides") == ["own.svs", "site/a.svs", "site/deep/b.svs"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    put(tmp_path / "top/slides", "a.svs", "deep/b.svs")
    for link, target in {"loop": ".", "up": "..", "deep/back": "../..", "deep/itself": "itself"}.items():
        (tmp_path / "top/slides" / link).symlink_to(target)
    found = list_folder(tmp_path / "top/slides")
    assert sorted(found.files) == ["a.svs", "deep/b.svs", "deep/itself"]
    assert found.circles == ["deep/back", "loop", "up"]
    assert found.broken == ["deep/itself"]


def test_a_folder_that_several_links_lead_to_is_listed_once(tmp_path: Path) -> None:
    put(tmp_path / "far", "x/a.svs", "b.svs")
    root = put(tmp_path / "slides", "own/c.svs")
    for link, target in {"2": "../far", "1": "../far/x", "3": "own", "own/4": "../../far"}.items():
        (root / link).symlink_to(target)
    assert names(root) == ["1/a.svs", "2/b.svs", "own/c.svs"]
    (tmp_path / "far/back").symlink_to("../slides")
    assert names(root) == ["1/a.svs", "2/b.svs", "own/c.svs"]


def test_a_link_without_a_target_is_a_file_that_is_gone(tmp_path: Path) -> None:
    put(tmp_path, "a.svs")
    (tmp_path / "b.svs").symlink_to(tmp_path / "gone" / "b.svs")
    found = list_folder(tmp_path)
    assert (sorted(found.files), found.files["b.svs"], found.broken) == (["a.svs", "b.svs"], MISSING, ["b.svs"])


def test_a_folder_that_is_one_file_is_listed_as_one(tmp_path: Path) -> None:
    root = put(tmp_path / "features", "a.zarr/.zarray", "a.zarr/0/0", "b.h5")
    (root / "c.zarr").symlink_to("a.zarr")
    assert names(root) == ["a.zarr", "b.h5", "c.zarr"]
    before = list_folder(root).files["a.zarr"]
    assert before == stat_of(root / "a.zarr")
    (root / "a.zarr/.zarray").write_text("other")
    assert list_folder(root).files["a.zarr"] != before
    digest = DigestCache(tmp_path / "d").content(root).files["a.zarr"]
    (root / "a.zarr/0/0").write_text("OTHER!")
    assert DigestCache(tmp_path / "d").content(root).files["a.zarr"] != digest
    assert find_features(root) == {name[0]: root / name for name in ("a.zarr", "b.h5", "c.zarr")}
    assert find_features(root / "a.zarr") == {"a": root / "a.zarr"}


def test_what_is_passed_over_is_counted_and_named(tmp_path: Path) -> None:
    put(tmp_path, "a.svs", "b.ISYNTAX", "c.isyntax", "README", "d.txt", ".DS_Store")
    (tmp_path / "lost.txt").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "pipe")
    said = list_folder(tmp_path).describe_unused(["a.svs"])
    assert said == (
        "2 .isyntax; 2 .txt; 1 without a suffix; links without a target: lost.txt; circular links: loop; "
        "special files: pipe"
    )
    assert list_folder(put(tmp_path / "clean", "a.svs")).describe_unused(["a.svs"]) == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "shut/a.svs")
    (tmp_path / "shut").chmod(0)
    with pytest.raises(PermissionError, match="shut"):
        list_folder(tmp_path)
    (tmp_path / "shut").chmod(0o700)


def test_many_links_to_each_other_take_no_time(tmp_path: Path) -> None:
    for i in range(40):
        put(tmp_path / "slides", f"{i}/{i}.svs")
        for k in range(40):
            (tmp_path / "slides" / f"{i}/to_{k}").symlink_to(f"../{k}")
    assert len(names(tmp_path / "slides")) == 40
