"""`oceanpath predict` through the front door: slides and features, a table that can be written, remarks beside it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.features.files import find_features, scan_features
from oceanpath.cli.app import run_app
from oceanpath.slides.demo.aperio import write_aperio

LABELS = ("normal", "tumour")
EXPERIMENT = """
name = "small"
[data]
slides = "slides"
labels = "cohort.csv"
classes = ["normal", "tumour"]
[extract]
encoder = "hed_stats"
patch_px = 64
overlap = 32
min_tissue = 0.5
[mmap]
[split]
folds = 2
[model]
name = "static"
hidden = 8
[train]
epochs = 1
[eval]
[export]
formats = ["onnx"]
parity_patches = [3]
parity_batches = [2]
"""


def draw(path: Path, seed: int, side: int = 768) -> None:
    """A slide with one square of tissue in it."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), (243, 242, 244), np.uint8)
    low, high = side // 4, side * 3 // 4
    pixels[low:high, low:high] = rng.integers(60, 200, (48, 48, 3)).repeat(8, 0).repeat(8, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aperio(path, pixels, 0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve slides, a workspace in which a bundle was exported for them, and slides it never saw."""
    folder, rows = tmp_path_factory.mktemp("predict"), ["slide_id,patient_id,label"]
    for i in range(12):
        draw(folder / "slides" / f"s{i:02d}.svs", i)
        rows.append(f"s{i:02d},p{i},{LABELS[i % 2]}")
    for i in (20, 21):
        draw(folder / "new" / f"n{i}.svs", i)
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    (folder / "small.toml").write_text(EXPERIMENT)
    assert run_app(["export", "-e", str(folder / "small.toml"), "--workspace", str(folder / "out"), "--quiet"]) == 0
    return folder


def predict(made: Path, *more: object) -> int:
    return run_app(["predict", *map(str, more), "-e", str(made / "small.toml"), "--workspace", str(made / "out")])


def test_slides_are_extracted_as_the_training_slides_were(made, tmp_path, capsys):
    assert predict(made, made / "slides" / "s03.svs", made / "new", "--out", tmp_path / "slides.csv") == 0
    said = capsys.readouterr().err
    assert 'extract.encoder="hed_stats"' in said
    assert "extract.overlap=32" in said
    table = pd.read_csv(tmp_path / "slides.csv", keep_default_na=False)
    assert table["slide_id"].tolist() == ["n20", "n21", "s03"]
    assert table["in_training"].tolist() == [False, False, True]
    assert "slide s03: this slide was part of the training cohort" in said
    trained = find_features(made / "out" / "experiments" / "small" / "extract")["s03"]
    assert predict(made, trained, "--out", tmp_path / "features.csv") == 0
    features = pd.read_csv(tmp_path / "features.csv", keep_default_na=False)
    assert features.iloc[0].to_dict() == table.iloc[2].to_dict()


def test_a_slide_is_extracted_once(made, tmp_path):
    parts = made / "out" / "parts" / "extract"
    before = len(list(parts.iterdir()))
    assert predict(made, made / "slides" / "s05.svs", "--out", tmp_path / "a.csv") == 0
    assert len(list(parts.iterdir())) == before  # the experiment extracted it with the same settings
    assert predict(made, made / "new" / "n20.svs", "--out", tmp_path / "b.csv") == 0
    after = len(list(parts.iterdir()))
    assert predict(made, made / "new" / "n20.svs", "--out", tmp_path / "c.csv") == 0
    assert len(list(parts.iterdir())) == after
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "c.csv").read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [("d.dcm", "several files"), ("gone.svs", "does not exist"), ("mixed", "slides and features")],
)
def test_what_cannot_be_extracted_is_named(made, tmp_path, capsys, name, words):
    (tmp_path / "d.dcm").touch()
    (tmp_path / "mixed").mkdir()
    for suffix in ("svs", "h5"):
        (tmp_path / "mixed" / f"a.{suffix}").touch()
    assert predict(made, tmp_path / name) == 2
    assert words in capsys.readouterr().err


def test_features_of_other_patches_are_refused(made, tmp_path, capsys):
    keys = ["--set", "extract.patch_px=96", "--set", "extract.min_tissue=0.5"]
    slides = ["--slides", str(made / "new"), "--encoder", "hed_stats"]
    assert run_app(["extract", *slides, *keys, "--out", str(tmp_path / "features"), "--quiet"]) == 0
    assert scan_features(tmp_path / "features" / "n20.h5").provenance.patch_px == 96
    assert predict(made, tmp_path / "features") == 4
    said = capsys.readouterr().err
    assert (
        "n20.h5: the patches differ in size or resolution from the training data; expected 64 px at 0.5 µm/px, " in said
    )
    assert ", got 96 px at 0.5 µm/px" in said


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("folder", "there is a folder"),
        ("none/x.csv", "the folder of the file does not exist"),
        ("file.txt/x.csv", "the folder of the file does not exist"),
        ("/sys/x.csv", "the file cannot be written"),
    ],
)
def test_a_table_that_cannot_be_written_is_said_before_anything_else(tmp_path, capsys, out, words):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").touch()
    place = tmp_path / out  # an absolute `out` stays what it is
    assert run_app(["predict", "no/features.h5", "--bundle", str(tmp_path / "no bundle"), "--out", str(place)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert f"--out {place}: {words}" in said.err
    assert said.out == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file")
def test_a_file_that_may_not_be_written_is_said_before_anything_else(tmp_path, capsys):
    (tmp_path / "x.csv").touch(mode=0o444)
    assert run_app(["predict", "no.h5", "--bundle", "no", "--out", str(tmp_path / "x.csv")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_earlier_table_is_replaced_and_an_error_leaves_it(made, tmp_path):
    out = tmp_path / "x.csv"
    out.write_text("earlier\n")
    assert predict(made, tmp_path / "gone.h5", "--out", out) == 4
    assert out.read_text() == "earlier\n"
    assert predict(made, made / "slides" / "s00.svs", "--out", out) == 0
    assert out.read_text().startswith("slide_id,n_patches,prob_normal,prob_tumour,predicted")
