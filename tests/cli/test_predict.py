"""`oceanpath predict` through the front door: slides and features, a table that can be written, remarks beside it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.features.files import find_features, read_features, read_meta, scan_features
from oceanpath.cli.app import run_app
from oceanpath.cli.predict_maps import SUFFIXES, require_attention
from oceanpath.errors import ExperimentError
from oceanpath.figures.heatmap import MapOptions
from oceanpath.figures.slide_map import MappedPatches, draw_slide
from oceanpath.fit.explain import PatchExplainer
from oceanpath.serving.engine import Engine
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


def test_a_damaged_slide_stops_no_other(made, tmp_path, capsys):
    """Of three slides one has no tissue and one cannot be opened: the third is predicted, and both are listed."""
    folder = tmp_path / "slides"
    draw(folder / "good.svs", 30)
    write_aperio(folder / "blank.svs", np.full((768, 768, 3), (243, 242, 244), np.uint8), 0.5)
    (folder / "broken.svs").write_bytes((folder / "good.svs").read_bytes()[:300])
    out = tmp_path / "out.csv"
    assert predict(made, folder, "--out", out) == 3
    assert pd.read_csv(out)["slide_id"].tolist() == ["good"]
    said = capsys.readouterr().err
    assert f"failed: {folder / 'broken.svs'}: " in said
    assert "blank" in said
    assert "some slides could not be predicted; got 2 of 3" in said
    assert predict(made, folder / "broken.svs", "--out", tmp_path / "none.csv") == 4
    assert not (tmp_path / "none.csv").exists()


def test_the_bundle_may_be_the_first_path(made, tmp_path):
    bundle = made / "out" / "experiments" / "small" / "export"
    features = made / "out" / "experiments" / "small" / "extract"
    words = [str(bundle), str(features), "--out", str(tmp_path / "a.csv"), "--workspace", str(tmp_path / "none")]
    assert run_app(["predict", *words]) == 0
    assert predict(made, features, "--out", tmp_path / "b.csv") == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_parquet_has_the_values_of_csv_and_other_suffixes_are_refused(made, tmp_path, capsys):
    features = made / "out" / "experiments" / "small" / "extract"
    for name in ("a.csv", "a.parquet"):
        assert predict(made, features, "--out", tmp_path / name, "--members") == 0
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "a.csv", keep_default_na=False),
        pd.read_parquet(tmp_path / "a.parquet"),
        check_dtype=False,
    )
    assert predict(made, features, "--out", tmp_path / "a.xlsx") == 2
    assert "unknown type of file; expected .csv or .parquet" in capsys.readouterr().err


def test_a_repeated_command_predicts_only_what_is_new(made, tmp_path, monkeypatch):
    features, out = tmp_path / "features", tmp_path / "out.csv"
    shutil.copytree(made / "out" / "experiments" / "small" / "extract", features)
    counted: list[str] = []
    original = Engine.predict

    def predict_and_count(engine, features, coords, provenance, **options):
        counted.append(provenance.slide_id)
        return original(engine, features, coords, provenance, **options)

    monkeypatch.setattr(Engine, "predict", predict_and_count)
    (features / "s04.h5").rename(tmp_path / "s04.h5")
    assert predict(made, features, "--out", out) == 0
    (tmp_path / "s04.h5").rename(features / "s04.h5")
    counted.clear()
    assert predict(made, features, "--out", out) == 0
    assert counted == ["s04"]
    assert predict(made, features, "--out", tmp_path / "fresh.csv") == 0
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()
    maps = tmp_path / "maps"
    counted.clear()
    assert predict(made, features, "--out", out, "--attention", maps) == 0
    (maps / "s03.csv").unlink()
    assert predict(made, features, "--out", out, "--attention", maps) == 0
    assert [name for name in counted if name != "golden"] == [*sorted(s.stem for s in features.glob("*.h5")), "s03"]


def test_maps_have_the_attention_of_the_models_of_all_folds(made, tmp_path):
    """CSV, GeoJSON and the pixels of the PNG agree with the mean attention that the trained models give in torch."""
    results, folders = made / "out" / "experiments" / "small", {name: tmp_path / name for name in SUFFIXES}
    options = [word for name, folder in folders.items() for word in (f"--{name}", folder)]
    assert predict(made, made / "new" / "n20.svs", *options, "--out", tmp_path / "out.csv") == 0
    path = next(made.glob("out/runs/extract/*/n20.h5"))
    features, coords = read_features(scan_features(path))
    assert coords is not None
    models = [PatchExplainer(results / "train" / f"fold_{fold}" / "best.ckpt") for fold in (0, 1)]
    expected = np.mean([model.explain(features.astype(np.float32), coords).attention for model in models], axis=0)
    table = pd.read_csv(folders["attention"] / "n20.csv", dtype={"attention": str})
    assert table[["minx", "miny"]].to_numpy().tolist() == coords.tolist()
    shares = table["attention"].to_numpy(str).astype(np.float32)
    assert np.abs(shares - expected).max() < 1e-5
    shapes = json.loads((folders["geojson"] / "n20.geojson").read_text())["features"]
    values = [shape["properties"]["measurements"]["attention"] for shape in shapes]
    assert np.abs(np.array(values) - expected).max() < 1e-5
    thumbnail = path.parent / "thumbnails" / "n20.jpg"
    meta = read_meta(path)
    patches = MappedPatches(shares, coords, meta.patch_px_level0, meta, thumbnail)
    row = pd.read_csv(tmp_path / "out.csv").iloc[0]
    title = f"n20\nnormal {row['prob_normal']:.3f}, tumour {row['prob_tumour']:.3f}"
    assert draw_slide(tmp_path / "n20.png", patches, title, MapOptions(vector=False)) == "thumbnail"
    assert (tmp_path / "n20.png").read_bytes() == (folders["heatmap"] / "n20.png").read_bytes()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"features": np.ones((3, 64), np.float16)}, "no coordinates"),
        ({"features": np.ones((3, 64), np.float16), "coords": np.arange(6).reshape(3, 2)}, "size of the patches"),
    ],
)
def test_a_slide_that_has_no_map_is_refused_before_any_prediction(made, tmp_path, capsys, files, words):
    np.savez(tmp_path / "a.npz", **files)
    out = tmp_path / "out.csv"
    assert predict(made, tmp_path / "a.npz", "--out", out, "--geojson", tmp_path / "maps") == 2
    said = capsys.readouterr().err
    assert words in said
    assert "a.npz" in said
    assert not out.exists()


def test_a_bundle_without_attention_is_refused_before_any_slide():
    """Mean pooling gives every patch the same weight; the reference bag shows this without a slide."""

    def engine_with(weights: np.ndarray) -> Any:
        facts = SimpleNamespace(
            golden=SimpleNamespace(patches=4), contract=SimpleNamespace(feature_dim=2), model={"name": "static"}
        )
        prediction = SimpleNamespace(attention=weights.astype(np.float32), n_patches=len(weights))
        return SimpleNamespace(facts=facts, predict=lambda *_, **__: prediction)

    with pytest.raises(ExperimentError, match=r"this architecture has no attention.*static"):
        require_attention(engine_with(np.full(4, 0.25)), Path("bundle"))
    require_attention(engine_with(np.array([0.2501, 0.2499, 0.25, 0.25])), Path("bundle"))
