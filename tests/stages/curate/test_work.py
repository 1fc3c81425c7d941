"""Every file is kept or named among what is left out; the manifest and the page agree."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.pretrain_manifest import MANIFEST, STATS, check, read_manifest
from oceanpath.artifacts.store.reader import Store
from oceanpath.cli import screen
from oceanpath.cli.app import run_app
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import Inputs, Quiet, Summary
from oceanpath.stages.curate.settings import CurateSettings
from oceanpath.stages.curate.work import run

PLACES = {
    "TCGA-LUAD/a.h5": 300,
    "TCGA-LUAD/b.h5": 255,
    "BLCA/TCGA-c.h5": 256,
    "CPTAC-CCRCC/d.h5": 1000,
    "GTEx/e.h5": 500,
    "TCGA-x/f.h5": 257,
}


def put(root: Path, places: Iterable[tuple[str, int]]) -> Path:
    """TRIDENT's layout: one chunk a row, so that rows could not be read by accident in time."""
    for place, n in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("features", data=np.zeros((n, 4), np.float32), chunks=(1, 4))
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return put(tmp_path / "features", PLACES.items())


def curate(root: Path, out: Path, **keys: object) -> Summary:
    out.mkdir()
    summary = run(CurateSettings(features=root, **keys), Inputs(), out, Quiet())
    check(out)
    return summary


def test_what_is_no_feature_file_is_counted(tree: Path, tmp_path: Path) -> None:
    (tree / "TCGA-LUAD" / "x.zip").touch()
    (tree / "TCGA-LUAD" / "TCGA-gone.h5").symlink_to(tmp_path / "nowhere")
    summary = curate(tree, tmp_path / "out")
    assert "not read: 1 .zip" in summary.lines
    assert summary.metrics["unreadable"] == 1 and "TCGA-gone.h5" in (tmp_path / "out" / STATS).read_text()


def test_what_is_kept_is_what_was_asked_for(tree: Path, tmp_path: Path) -> None:
    summary = curate(tree, tmp_path / "out")
    assert (tmp_path / "out" / MANIFEST).read_text() == (
        "slide_id,slide_path,cancer_type,num_patches\n"
        "TCGA-c,BLCA/TCGA-c.h5,BLCA,256\n"
        "a,TCGA-LUAD/a.h5,LUAD,300\n"
        "d,CPTAC-CCRCC/d.h5,CCRCC,1000\n"
        "f,TCGA-x/f.h5,unknown,257\n"
    )
    assert summary.metrics == {"slides": 4, "patches": 1813, "cancer_types": 4, "unreadable": 0}
    stats = (tmp_path / "out" / STATS).read_text()
    assert "TCGA-LUAD/b.h5: 255" in stats
    assert "GTEx: 1" in stats
    assert next(line.split() for line in stats.splitlines() if line.startswith("all"))[1:4] == ["6", "4", "1"]
    assert any("without a cancer type, first TCGA-x/f.h5" in line for line in summary.lines)


def test_every_file_is_in_the_manifest_or_among_what_is_left_out(tree: Path, tmp_path: Path) -> None:
    (tree / "TCGA-LUAD" / "b.h5").write_bytes(b"no HDF5")
    with h5py.File(tree / "TCGA-LUAD" / "g.h5", "w") as file:
        file["coords"] = np.zeros((9, 2), np.int32)
    summary = curate(tree, tmp_path / "out", min_patches=257)
    stats = (tmp_path / "out" / STATS).read_text()
    listed = {row.slide_path for row in read_manifest(tmp_path / "out" / MANIFEST)}
    for place in [*PLACES, "TCGA-LUAD/g.h5"]:
        assert (place in listed) + (place in stats or place.startswith("GTEx")) == 1, place
    assert any("TCGA-LUAD/b.h5: cannot be read" in line for line in summary.lines)
    assert any("TCGA-LUAD/g.h5: no features in this file" in line for line in summary.lines)
    assert str(tmp_path) not in stats


def test_bytes_depend_neither_on_place_nor_on_the_order_of_files(tree: Path, tmp_path: Path) -> None:
    curate(tree, tmp_path / "one")
    shuffled = list(PLACES.items())
    random.Random(0).shuffle(shuffled)
    curate(put(tmp_path / "elsewhere", shuffled), tmp_path / "two")
    for name in (MANIFEST, STATS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_files_of_other_sources_are_not_opened_unless_they_are_asked_for(tree: Path, tmp_path: Path) -> None:
    (tree / "GTEx" / "e.h5").write_bytes(b"no HDF5")
    assert curate(tree, tmp_path / "one").metrics["unreadable"] == 0
    assert curate(tree, tmp_path / "two", sources=("TCGA", "other")).metrics["unreadable"] == 1


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"sources": ("other",), "min_patches": 501}, "1 with too few patches.*curate.min_patches = 501"),
        (
            {"sources": ("Mars",), "rules": ({"source": "Mars", "pattern": "^mars"},)},
            "6 of sources that are not kept.*rules",
        ),
    ],
)
def test_nothing_left_is_an_error_with_counts(tree: Path, tmp_path: Path, keys: dict[str, object], words: str) -> None:
    with pytest.raises(ExperimentError, match=f"no slide is left.*{words}"):
        curate(tree, tmp_path / "out", **keys)


def test_one_id_twice_is_an_error_that_names_both(tree: Path, tmp_path: Path) -> None:
    put(tree, [("TCGA-LUSC/a.h5", 300)])
    with pytest.raises(ExperimentError, match=r"TCGA-LUAD/a.h5 and TCGA-LUSC/a.h5"):
        curate(tree, tmp_path / "out")


def test_without_features_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="there are neither slides nor features"):
        run(CurateSettings(), Inputs(), tmp_path, Quiet())


def test_the_verb_takes_rules_from_a_file(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = '{ source = "GTEx", pattern = "^gtex/", cancer_type = "normal" }'
    toml = f'name = "mine"\n[data]\nfeatures = "features"\n[curate]\nsources = ["GTEx"]\nrules = [{rule}]\n'
    (tmp_path / "mine.toml").write_text(toml)
    where = ["-e", str(tmp_path / "mine.toml"), "--workspace", str(tmp_path / "ws")]
    assert run_app(["curate", *where]) == 0
    made = tmp_path / "ws" / "experiments" / "mine" / "curate" / MANIFEST
    assert [tuple(row) for row in read_manifest(made)] == [("e", "GTEx/e.h5", "normal", 500)]
    assert run_app(["curate", *where]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert run_app(["curate", *where, "--min-patches", "501"]) == 2


def test_with_curate_the_store_holds_what_it_kept(tree: Path, tmp_path: Path) -> None:
    (tree / "TCGA-LUAD" / "b.h5").write_bytes(b"no HDF5")  # left out by curate, so nobody stumbles over it again
    (tmp_path / "oceanpath.toml").write_text('[data]\nfeatures = "features"\n[curate]\n[mmap]\n')
    assert run_app(["run", str(tmp_path / "oceanpath.toml"), "--workspace", str(tmp_path / "ws")]) == 0
    store = Store(tmp_path / "ws" / "experiments" / "oceanpath" / "mmap")
    assert store.slide_ids == ["TCGA-c", "a", "d", "f"]


@pytest.mark.alone
def test_twenty_thousand_files_take_less_than_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verb from the shell, digests of all bytes and publishing included."""
    put(tmp_path, [("template.h5", 300)])
    with h5py.File(tmp_path / "template.h5", "a") as file:
        file.create_dataset("coords", data=np.zeros((300, 2), np.int64), chunks=(1, 2))
        for name in ("patch_size", "patch_size_level0", "level0_magnification", "target_magnification", "overlap"):
            file["coords"].attrs[name] = 256
    content = (tmp_path / "template.h5").read_bytes()
    for folder in ("TCGA-LUAD", "TCGA-BRCA", "CPTAC-GBM", "CPTAC-OV"):
        (tmp_path / "features" / folder).mkdir(parents=True)
        for number in range(5000):
            (tmp_path / "features" / folder / f"{folder}-{number}.h5").write_bytes(content)
    (tmp_path / "oceanpath.toml").write_text('[data]\nfeatures = "features"\n[curate]\n')
    monkeypatch.setattr(screen, "EVERY_SECONDS", 0.5)  # a fast machine is done before the first line would come
    started = time.perf_counter()
    assert run_app(["curate", "-e", str(tmp_path / "oceanpath.toml"), "--workspace", str(tmp_path / "ws")]) == 0
    seconds = time.perf_counter() - started
    said = capsys.readouterr().err
    with capsys.disabled():
        print(f"\n20,000 files: {seconds:.1f} s")
    assert "kept 20000 of 20000 files" in said
    assert "/20000 files" in said  # progress was shown
    assert seconds < 60
