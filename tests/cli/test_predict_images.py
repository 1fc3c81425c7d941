"""`oceanpath predict` writes images of patch scores and contributions, with the numbers of the table of patches."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from oceanpath.artifacts.features.files import FeatureMeta, write_features
from oceanpath.cli.app import run_app
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.models.verify.trial import small
from oceanpath.stages.export.checkpoint import export_checkpoint
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.classification import Classification

DIM, SIDE, MPP = 12, 70.4, (0.2521, 0.2536)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, and with the features of a slide as `extract` writes them."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "bundle").mkdir()
    torch.manual_seed(0)
    objective = read_objective(Classification(["normal", "tumour"]), {})
    model = WSIClassifier(parse_model(small("abmil")), DIM, ["normal", "tumour"])
    save_checkpoint(model, objective, folder / "best.ckpt")
    export_checkpoint(folder / "best.ckpt", folder / "bundle", ExportSettings(formats=("onnx",)), DIM)
    rng = np.random.default_rng(0)
    places = rng.choice(20 * 15, 40, replace=False)
    coords = np.rint(np.stack([places % 20, places // 20], axis=1) * SIDE + (133, 61)).astype(np.int32)
    meta = FeatureMeta("toy", DIM, 32, SIDE * MPP[0] / 32, *MPP, "slide", SIDE, 2000, 1503, "0" * 32, "test")
    write_features(folder / "new.h5", rng.standard_normal((40, DIM)), coords, meta)
    return folder


def predict(made: Path, *more: object) -> int:
    return run_app(["predict", str(made / "bundle"), *map(str, more)])


def test_the_image_has_the_scores_of_the_table_at_their_places(made, tmp_path):
    """Pixels without a patch are NaN, and contributions sum to the log odds."""
    options = [word for name in ("attention", "ome-tiff", "geojson") for word in (f"--{name}", tmp_path / name)]
    assert predict(made, made / "new.h5", *options, "--contributions", "--out", tmp_path / "out.csv") == 0
    table = pd.read_csv(tmp_path / "attention" / "new.csv")
    assert list(table.columns) == ["minx", "miny", "width", "height", "attention", "contribution"]
    with tifffile.TiffFile(tmp_path / "ome-tiff" / "new.ome.tiff") as file:
        image, description = file.series[0].asarray(), file.ome_metadata
    (pixels,) = (each for each in ElementTree.fromstring(str(description)).iter() if each.tag.endswith("}Pixels"))
    assert float(pixels.attrib["PhysicalSizeX"]) == pytest.approx(8 * MPP[0])
    assert float(pixels.attrib["PhysicalSizeY"]) == pytest.approx(8 * MPP[1])
    assert image.shape == (2, 188, 250)
    rows, columns = ((table[low] + table[side] / 2) // 8 for low, side in (("miny", "height"), ("minx", "width")))
    for channel, name in enumerate(("attention", "contribution")):
        got = image[channel, rows.astype(int), columns.astype(int)]
        assert np.array_equal(got, table[name].astype(np.float32))
    area = np.isfinite(image[0]).sum() * 64 / (40 * SIDE * SIDE * MPP[0] / MPP[1])
    assert area == pytest.approx(1, abs=0.02)
    row = pd.read_csv(tmp_path / "out.csv").iloc[0]
    assert table["contribution"].sum() == pytest.approx(np.log(row["prob_tumour"] / row["prob_normal"]), abs=1e-4)
    shapes = json.loads((tmp_path / "geojson" / "new.geojson").read_text())["features"]
    assert [shape["properties"]["measurements"]["contribution"] for shape in shapes] == pytest.approx(
        table["contribution"], rel=1e-6
    )


def test_without_contributions_the_table_is_as_before_and_with_them_it_is_written_again(made, tmp_path):
    out, maps = tmp_path / "out.csv", tmp_path / "maps"
    for options, columns in (([], 5), (["--contributions"], 6), ([], 5)):
        assert predict(made, made / "new.h5", "--attention", maps, "--out", out, *options) == 0
        assert len(pd.read_csv(maps / "new.csv").columns) == columns


def test_a_slide_of_unknown_resolution_has_no_image_but_a_table(made, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", features=np.ones((3, DIM), np.float16), coords=np.eye(3, 2) * 64, patch_size_level0=64)
    assert predict(made, tmp_path / "a.npz", "--ome-tiff", tmp_path / "maps") == 2
    said = capsys.readouterr().err
    assert "a.npz: the resolution of level 0 is unknown, so the pixels of an image have no physical size" in said
    assert not list((tmp_path / "maps").iterdir())
    assert predict(made, tmp_path / "a.npz", "--attention", tmp_path / "maps") == 0


def test_contributions_without_a_map_are_refused(made, tmp_path, capsys):
    assert predict(made, made / "new.h5", "--contributions") == 2
    assert "contributions are part of maps, and none is requested" in capsys.readouterr().err


def test_a_missing_package_is_reported_before_anything_is_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("oceanpath.artifacts.score_images.formats.find_spec", lambda name: None)
    assert run_app(["predict", "no", "no.h5", "--dicom", str(tmp_path / "maps")]) == 5
    said = capsys.readouterr().err
    assert "--dicom needs the package highdicom" in said and "pip install 'oceanpath[dicom]'" in said
