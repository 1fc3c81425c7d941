"""Files that cannot be used are written down in the store, and whoever reads it depends on that list."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.left_out import LeftOut, read_left_out, write_left_out
from oceanpath.artifacts.store.reader import Store, digest_content
from oceanpath.errors import ArtifactError, ExperimentError, together
from oceanpath.pipeline.digests import DigestCache
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet, Summary
from oceanpath.stages.mmap.preflight import preflight
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "far").mkdir()
    for name in "abc":
        with h5py.File(tmp_path / "far" / f"{name}.h5", "w") as file:
            file["features"] = np.ones((5, 4), np.float16)
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "site").symlink_to("../far")
    return tmp_path / "features"


def build(folder: Path, out: Path, inputs: Inputs | None = None, **keys: object) -> Summary:
    out.mkdir()
    return run(MmapSettings(features=folder, allow_missing=True, **keys), inputs or Inputs(), out, Quiet())


def test_links_without_a_target_are_refused_or_left_out_by_name(folder: Path, tmp_path: Path) -> None:
    (folder / "gone.h5").symlink_to(tmp_path / "nowhere.h5")
    (folder / "x.zip").touch()
    content = DigestCache(tmp_path / "d.sqlite").content(folder)
    told = Inputs(files={"features": content.files}, versions={"features": content.stats})
    with pytest.raises(ArtifactError, match=r"1 of 4 feature files cannot be used[\s\S]*gone\.h5: the target of this"):
        (tmp_path / "strict").mkdir()
        run(MmapSettings(features=folder), told, tmp_path / "strict", Quiet())
    summary = build(folder, tmp_path / "out", told)
    assert Store(tmp_path / "out").slide_ids == ["a", "b", "c"]
    assert read_left_out(tmp_path / "out").failed["gone"].startswith("gone.h5: the target of this link does not exist")
    assert "not read in features: 1 .zip" in summary.lines
    assert str(tmp_path) not in (tmp_path / "out/left_out.json").read_text()


def test_what_extract_left_out_is_passed_on(folder: Path, tmp_path: Path) -> None:
    published = tmp_path / "far"
    write_left_out(published, LeftOut(("x",), {"y": "no mpp"}))
    (published / "bad.h5").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    run(MmapSettings(allow_missing=True), Inputs(parents={"extract": published}), tmp_path / "out", Quiet())
    found = read_left_out(tmp_path / "out")
    assert (found.excluded, set(found.failed)) == (("x",), {"y", "bad"})


def test_readers_depend_on_the_lists_of_what_is_not_there(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "whole")
    (folder / "bad.h5").write_bytes(b"x")
    build(folder, tmp_path / "out")
    digests = {digest_content(tmp_path / name) for name in ("whole", "out")}
    write_left_out(tmp_path / "out", LeftOut((), {"bad": "another reason"}))
    (tmp_path / "whole" / "blank_slides.txt").write_text("z\n")
    digests |= {digest_content(tmp_path / name) for name in ("whole", "out")}
    assert len(digests) == 4


def problems(folder: Path, **keys: object) -> str:
    told = preflight(MmapSettings(features=folder, **keys), ParentSources()).problems
    return together(told).render() if told else ""


def test_what_is_known_to_be_wrong_is_told_first(folder: Path, tmp_path: Path) -> None:
    outlook = preflight(MmapSettings(features=folder), ParentSources())
    assert outlook.expected.slides == {"a", "b", "c"} and outlook.bytes > 0
    (folder / "gone.h5").symlink_to(tmp_path / "nowhere.h5")
    (tmp_path / "m.csv").write_text("slide\na\n")
    text = problems(folder, manifest=tmp_path / "m.csv")
    assert "2 problems" in text
    assert "feature files are links without a target; got 1 of 4: gone.h5" in text
    assert "no column of slide ids" in text
    assert problems(folder, allow_missing=True) == ""
    with pytest.raises(ExperimentError, match="two feature files have the same slide id"):
        raise preflight(MmapSettings(features=put_twin(folder)), ParentSources()).problems[0]


def put_twin(folder: Path) -> Path:
    (folder / "a.npy").write_bytes(b"x")
    return folder


def test_a_store_that_is_limited_expects_what_nobody_knows_yet(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("slide_id\na\n")
    limited = preflight(MmapSettings(features=folder, manifest=tmp_path / "m.csv"), ParentSources())
    assert limited.expected.slides == {"a"}
    curated = ParentSources(names=frozenset({"curate"}))
    assert preflight(MmapSettings(features=folder), curated).expected is None
