"""A store of some slides only: whoever is missing on either side is counted and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.pretrain_manifest import MANIFEST, ManifestRow, write_manifest
from oceanpath.artifacts.store.reader import Store, digest_content
from oceanpath.artifacts.store.source_files import file_digest
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import Inputs, Quiet, Summary
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine slides of one patch each."""
    (tmp_path / "features").mkdir()
    for i in range(9):
        np.save(tmp_path / "features" / f"slide_{i}.npy", np.full((1, 3), i, np.float16))
    return tmp_path / "features"


def build(folder: Path, out: Path, earlier: tuple[Path, ...] = (), **keys: object) -> Summary:
    out.mkdir()
    told = {path.name: file_digest(path) for path in folder.iterdir()}
    inputs = Inputs(files={"features": told}, earlier=earlier)
    return run(MmapSettings(features=folder, **keys), inputs, out, Quiet())


def test_a_pretraining_manifest_limits_the_store(folder: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path, [ManifestRow(f"slide_{i}", f"slide_{i}.npy", "BRCA", 1) for i in (1, 4)])
    summary = build(folder, tmp_path / "out", manifest=tmp_path / MANIFEST)
    store = Store(tmp_path / "out")
    assert store.slide_ids == ["slide_1", "slide_4"]
    assert [float(store.features(i)[0, 0]) for i in (0, 1)] == [1, 4]
    assert "7 files are not in the manifest: slide_0, slide_2, slide_3, slide_5, slide_6 and 2 more" in summary.lines


def test_so_does_what_curate_made(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "curate").mkdir()
    write_manifest(tmp_path / "curate", [ManifestRow("slide_2", "slide_2.npy", "BRCA", 1)])
    (tmp_path / "out").mkdir()
    inputs = Inputs(parents={"curate": tmp_path / "curate"})
    run(MmapSettings(features=folder), inputs, tmp_path / "out", Quiet())
    assert Store(tmp_path / "out").slide_ids == ["slide_2"]
    with pytest.raises(ExperimentError, match=r"by both \[curate\] and mmap.manifest"):
        run(MmapSettings(features=folder, manifest=tmp_path / "x.csv"), inputs, tmp_path / "out", Quiet())


def test_a_trident_job_is_told_however_much_was_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "job" / "20x_256px_0px_overlap" / "features_uni_v1"
    folder.mkdir(parents=True)
    for i in range(3):
        np.save(folder / f"slide_{i}.npy", np.full((1, 3), i, np.float16))
    told = {path.relative_to(tmp_path / "job").as_posix(): file_digest(path) for path in folder.iterdir()}
    for number in range(2):
        (tmp_path / f"out_{number}").mkdir()
        inputs = Inputs(files={"features": told}, earlier=(tmp_path / "out_0",)[:number])
        summary = run(MmapSettings(features=tmp_path / "job"), inputs, tmp_path / f"out_{number}", Quiet())
        assert "TRIDENT job: encoder uni_v1, patches of 256 px at 20x, overlap 0 px" in summary.lines


def test_so_does_any_table_with_a_column_of_ids(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "some.tsv"
    table.write_text("wsi\tage\nslide_3.npy\t50\nslide_0\t\n")
    build(folder, tmp_path / "out", manifest=table, slide_id="wsi")
    assert Store(tmp_path / "out").slide_ids == ["slide_0", "slide_3"]


def test_slides_without_a_file_are_named_and_end_the_build(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "some.csv"
    table.write_text("slide_id\nslide_3\nslide_33\n")
    with pytest.raises(
        ExperimentError, match=r"1 slides of the manifest have no feature file.*slide_33 \(nearest: slide_3\)"
    ):
        build(folder, tmp_path / "out", manifest=table)
    summary = build(folder, tmp_path / "allowed", manifest=table, allow_missing=True)
    assert "1 slides of the manifest have no file: slide_33" in summary.lines
    table.write_text("slide_id\nnobody\n")
    with pytest.raises(ExperimentError, match="nobody"):
        build(folder, tmp_path / "none", manifest=table, allow_missing=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wsi\nslide_1\n", "no column of slide ids"),
        ("slide_id\nslide_1\nslide_1.h5\n", "appear more than once"),
        ("slide_id,x\nslide_1,1\n,2\n", r"some\.csv:3: a row has no slide id"),
        ("", r"some\.csv"),
    ],
)
def test_a_table_that_says_nothing_clear_is_refused(folder: Path, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "some.csv").write_text(text)
    with pytest.raises(ExperimentError, match=words):
        build(folder, tmp_path / "out", manifest=tmp_path / "some.csv")


def test_a_store_shrinks_and_grows_by_its_manifest(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "some.csv"
    stores: tuple[Path, ...] = ()
    for number, wanted in enumerate([range(9), range(5), range(2, 8)]):
        table.write_text("\n".join(["slide_id", *(f"slide_{i}" for i in wanted)]))
        stores = (tmp_path / f"store_{number}", *stores)
        grown = build(folder, stores[0], stores[1:], manifest=table)
        whole = build(folder, tmp_path / f"whole_{number}", manifest=table)
        assert grown == whole
        assert digest_content(stores[0]) == digest_content(tmp_path / f"whole_{number}")
