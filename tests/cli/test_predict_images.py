"""`oceanpath predict` writes images of patch scores and contributions, with the numbers of the table of patches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile


from oceanpath.cli.app import run_app
from oceanpath.slides.demo.aperio import write_aperio

EXPERIMENT = """
name = "small"
[data]
slides = "slides"
labels = "cohort.csv"
[extract]
encoder = "hed_stats"
patch_px = 64
min_tissue = 0.5
[mmap]
[split]
folds = 2
[model]
name = "abmil"
hidden = 8
attention = 8
[train]
epochs = 1
[eval]
[export]
formats = ["onnx"]
parity_patches = [3]
parity_batches = [2]
"""


def draw(path: Path, seed: int) -> None:
    """A slide with one square of tissue in it."""
    rng, pixels = np.random.default_rng(seed), np.full((768, 768, 3), (243, 242, 244), np.uint8)
    pixels[192:576, 192:576] = rng.integers(60, 200, (48, 48, 3)).repeat(8, 0).repeat(8, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aperio(path, pixels, 0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, and with a slide that it never saw."""
    folder, rows = tmp_path_factory.mktemp("images"), ["slide_id,patient_id,label"]
    for i in range(8):
        draw(folder / "slides" / f"s{i}.svs", i)
        rows.append(f"s{i},p{i},{('normal', 'tumour')[i % 2]}")
    draw(folder / "new.svs", 20)
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    (folder / "small.toml").write_text(EXPERIMENT)
    assert run_app(["export", "-e", str(folder / "small.toml"), "--workspace", str(folder / "out"), "--quiet"]) == 0
    return folder


def predict(made: Path, *more: object) -> int:
    bundle = made / "out" / "experiments" / "small" / "export"
    return run_app(["predict", str(bundle), *map(str, more), "--workspace", str(made / "out")])


def test_the_image_has_the_scores_of_the_table_at_their_places(made, tmp_path):
    """Of a slide whose own resolution is known; pixels without a patch are NaN, and contributions sum to the logit."""
    options = [word for name in ("attention", "ome-tiff", "geojson") for word in (f"--{name}", tmp_path / name)]
    assert predict(made, made / "new.svs", *options, "--contributions", "--out", tmp_path / "out.csv") == 0
    table = pd.read_csv(tmp_path / "attention" / "new.csv")
    assert list(table.columns) == ["minx", "miny", "width", "height", "attention", "contribution"]
    with tifffile.TiffFile(tmp_path / "ome-tiff" / "new.ome.tiff") as file:
        image, description = file.series[0].asarray(), file.ome_metadata
    assert description is not None and 'PhysicalSizeX="4.0" PhysicalSizeXUnit="µm"' in description
    assert image.shape == (2, 96, 96)
    rows, columns = ((table[low] + table[side] / 2) // 8 for low, side in (("miny", "height"), ("minx", "width")))
    for channel, name in enumerate(("attention", "contribution")):
        got = image[channel, rows.astype(int), columns.astype(int)]
        assert np.allclose(got, table[name], rtol=1e-6, atol=0)
    inside = np.zeros((96, 96), bool)
    for row, column in zip(table["miny"] // 8, table["minx"] // 8, strict=True):
        inside[row : row + 8, column : column + 8] = True
    assert np.array_equal(np.isfinite(image[0]), inside) and 0 < inside.sum() < inside.size
    shapes = json.loads((tmp_path / "geojson" / "new.geojson").read_text())["features"]
    assert [shape["properties"]["measurements"]["contribution"] for shape in shapes] == pytest.approx(
        table["contribution"], rel=1e-6
    )


def test_without_contributions_the_table_is_as_before_and_with_them_it_is_written_again(made, tmp_path):
    out, maps = tmp_path / "out.csv", tmp_path / "maps"
    for options, columns in (([], 5), (["--contributions"], 6), ([], 5)):
        assert predict(made, made / "new.svs", "--attention", maps, "--out", out, *options) == 0
        assert len(pd.read_csv(maps / "new.csv").columns) == columns


def test_a_slide_of_unknown_resolution_has_no_image_but_a_table(made, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", features=np.ones((3, 64), np.float16), coords=np.eye(3, 2) * 64, patch_size_level0=64)
    assert predict(made, tmp_path / "a.npz", "--ome-tiff", tmp_path / "maps") == 2
    said = capsys.readouterr().err
    assert "a.npz: the resolution of level 0 is unknown, so the pixels of an image have no physical size" in said
    assert not list((tmp_path / "maps").iterdir())
    assert predict(made, tmp_path / "a.npz", "--attention", tmp_path / "maps") == 0


def test_contributions_without_a_map_are_refused(made, tmp_path, capsys):
    assert predict(made, made / "new.svs", "--contributions") == 2
    assert "contributions are part of maps, and none is requested" in capsys.readouterr().err


def test_a_missing_package_is_reported_before_anything_is_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("oceanpath.artifacts.score_images.formats.find_spec", lambda name: None)
    assert run_app(["predict", "no", "no.h5", "--dicom", str(tmp_path / "maps")]) == 5
    said = capsys.readouterr().err
    assert "--dicom needs the package highdicom" in said and "pip install 'oceanpath[dicom]'" in said
