"""The extract stage: parts with honest identities, features of the right patches, a clear end for bad slides."""

from __future__ import annotations

import json
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from oceanpath.artifacts.features.files import check_features, read_features, read_meta, scan_features
from oceanpath.artifacts.store.blank_slides import read_blank
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError, ExperimentError, MissingExtraError, OceanPathError, StageError
from oceanpath.pipeline.experiment import load
from oceanpath.pipeline.stage import Inputs, Part, Quiet, resolve
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.encoders import ENCODERS, build_encoder
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide
from oceanpath.stages.catalog import CATALOG
from oceanpath.stages.extract.cohort import part_key, parts, slide_file_digest
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import slides_of
from oceanpath.stages.extract.stage import STAGE
from oceanpath.stages.extract.tiling import tile_slide
from oceanpath.stages.extract.work import run, run_part
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.stage import STAGE as MMAP

from ...narrowing import required

REAL = Path(__file__).resolve().parents[3] / "../shared/data/slides_real"
GLASS = (243, 242, 244)


def settings(slides: Path | None, **keys: Any) -> ExtractSettings:
    return ExtractSettings(encoder="hed_stats", slides=slides, **keys)


def draw_slide(path: Path, seed: int, mpp: float = 0.5, side: int = 1024) -> Path:
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), GLASS, np.uint8)
    blocks = rng.integers(60, 200, (side // 16, side // 16, 3)).repeat(8, 0).repeat(8, 1)
    pixels[side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = blocks
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aperio(path, pixels, mpp)
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    draw_slide(tmp_path / "slides/a.svs", 1)
    draw_slide(tmp_path / "slides/site 2/b.svs", 2, mpp=0.25, side=2048)
    return tmp_path / "slides"


def extract(keys: ExtractSettings, inputs: Inputs, out: Path) -> dict[str, Path]:
    folders = {}
    for part in parts(keys, inputs):
        folders[part.key] = out / "parts" / part.key
        folders[part.key].mkdir(parents=True)
        run_part(keys, inputs, part, folders[part.key], Quiet())
    return folders


def test_from_slides_to_checked_features(tmp_path: Path, cohort: Path) -> None:
    keys, out = settings(cohort), tmp_path / "out"
    out.mkdir()
    inputs = Inputs(parts=extract(keys, Inputs(), tmp_path))
    summary = run(keys, inputs, out, Quiet())
    resolve(STAGE.check)(out)
    assert summary.metrics == {"slides": 2, "patches": 8, "encoder": "hed_stats"}
    assert summary.lines[0] == "2 slides, 8 patches (4 to 4 per slide)"
    assert sorted(p.name for p in (out / "thumbnails").iterdir()) == ["a.jpg", "b.jpg"]
    with Image.open(out / "thumbnails/b.jpg") as thumbnail:
        assert max(thumbnail.size) == 768
    for name, zoom in (("a", 1), ("b", 2)):
        file = scan_features(out / f"{name}.h5")
        _, coords = read_features(file)
        assert file.patch_px_level0 == 256 * zoom
        expected = [[256, 256], [512, 256], [256, 512], [512, 512]]
        assert coords is not None and coords.tolist() == [[x * zoom, y * zoom] for x, y in expected]
        meta = read_meta(out / f"{name}.h5")
        assert (meta.mpp_x, meta.mpp_source, meta.level0_width) == (0.5 / zoom, "openslide.mpp", 1024 * zoom)
        assert meta.slide_digest == slide_file_digest(slides_of(keys, Inputs()).selected[name])


def test_each_row_is_the_encoding_of_the_patch_at_its_coords(tmp_path: Path, cohort: Path) -> None:
    folders = extract(settings(cohort), Inputs(), tmp_path)
    features, coords = read_features(scan_features(folders["b"] / "b.h5"))
    encoder = build_encoder("hed_stats")
    with open_slide(cohort / "site 2/b.svs") as reader:
        grid = tile_slide(reader, settings(cohort), "b").grid
        assert coords is not None
        for row, (x, y) in zip(features, coords, strict=True):
            assert np.array_equal(encoder.encode(read_patches(reader, grid, np.array([[x, y]])))[0], row)


def test_workers_and_paths_never_change_the_bytes(tmp_path: Path, cohort: Path) -> None:
    moved = shutil.copytree(cohort, tmp_path / "elsewhere")
    first = extract(settings(cohort, workers=0), Inputs(), tmp_path / "1")
    second = extract(settings(moved, workers=3, device="cpu"), Inputs(), tmp_path / "2")
    for key in first:
        for path in sorted(p for p in first[key].rglob("*") if p.is_file()):
            assert path.read_bytes() == (second[key] / path.relative_to(first[key])).read_bytes()


# identity of parts


def identities(keys: ExtractSettings, inputs: Inputs | None = None) -> dict[str, dict[str, object]]:
    return {part.key: dict(part.identity) for part in parts(keys, inputs or Inputs())}


def test_adding_and_excluding_slides_changes_no_other_part(cohort: Path) -> None:
    before = identities(settings(cohort))
    draw_slide(cohort / "c.svs", 3)
    after = identities(settings(cohort))
    assert list(after) == ["a", "b", "c"] and {k: after[k] for k in before} == before
    assert identities(settings(cohort, exclude=("a", "c"))) == {"b": before["b"]}


def test_settings_that_identify_a_part(tmp_path: Path, cohort: Path) -> None:
    base = identities(settings(cohort))
    assert identities(settings(shutil.copytree(cohort, tmp_path / "copy"))) == base
    assert identities(settings(cohort, workers=9, device="cuda")) == base
    for change in ({"patch_px": 128}, {"target_mpp": 1.0}, {"min_tissue": 0.5}, {"overlap": 8}, {"default_mpp": 0.5}):
        changed = identities(settings(cohort, **change))
        assert all(changed[key] != base[key] for key in base), change
    draw_slide(cohort / "a.svs", 9)
    changed = identities(settings(cohort))
    assert changed["a"] != base["a"] and changed["b"] == base["b"]


def test_digests_of_the_pipeline_are_used(cohort: Path) -> None:
    known = Inputs(files={"slides": {"a.svs": "1" * 32, "site 2/b.svs": "2" * 32}})
    result = identities(settings(cohort), known)
    assert [result[key]["slide"] for key in "ab"] == ["1" * 32, "2" * 32]


def test_slides_of_the_demo_come_first(tmp_path: Path, cohort: Path) -> None:
    draw_slide(tmp_path / "demo/slides/d.svs", 4)
    assert list(identities(settings(None), Inputs(parents={"demo": tmp_path / "demo"}))) == ["d"]


def test_a_slide_of_several_files_is_identified_by_all_of_them(tmp_path: Path) -> None:
    for name in ("m.mrxs", "m/Data0000.dat", "series/1.dcm", "series/2.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    before = identities(settings(tmp_path))
    (tmp_path / "m/Data0000.dat").write_bytes(b"other")
    (tmp_path / "series/2.dcm").write_bytes(b"other")
    after = identities(settings(tmp_path))
    assert all(after[key]["slide"] != before[key]["slide"] for key in ("m", "1", "2"))


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
def test_dicom_files_of_one_series_are_one_slide(tmp_path: Path) -> None:
    for name in ("box/boxes_0.dcm", "box/boxes_1.dcm", "mixed/boxes_1.dcm", "mixed/over.dcm", "mixed/torn.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        source = "camelyon_overview_jpeg.dcm" if "over" in name else f"boxes_dicom/{Path(name).name}"
        (tmp_path / name).write_bytes(b"torn" if "torn" in name else (REAL / source).read_bytes())
    wanted_slides = slides_of(settings(tmp_path), Inputs()).selected
    result = {name: path.relative_to(tmp_path).as_posix() for name, path in wanted_slides.items()}
    expected = {"box": "box/boxes_0.dcm", "over": "mixed/over.dcm", "torn": "mixed/torn.dcm"}
    assert result == {**expected, "boxes_1": "mixed/boxes_1.dcm"}


def test_part_keys_are_safe_and_unique() -> None:
    assert part_key("TCGA-05-4250.90f6") == "TCGA-05-4250.90f6"
    odd = [part_key(name) for name in ("a b", "a_b ", "../x", "é", ".hidden", "x" * 300)]
    assert len(set(odd)) == 6
    assert all(key.isascii() and "/" not in key and len(key) < 128 and key[0] != "." for key in odd)


# errors


def test_two_slides_with_one_id_are_both_named(cohort: Path) -> None:
    draw_slide(cohort / "site 2/a.tiff", 5)
    with pytest.raises(ExperimentError, match=r"a: a\.svs and site 2/a\.tiff"):
        parts(settings(cohort), Inputs())


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"encoder": "hed_stat"}, "Did you mean hed_stats"),
        ({"exclude": ("bb",)}, "excluded slides do not exist"),
        ({"exclude": ("a", "b")}, "contains no slides"),
    ],
)
def test_wrong_keys(cohort: Path, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ExperimentError, match=says):
        parts(ExtractSettings.model_validate({"encoder": "hed_stats", "slides": cohort} | keys), Inputs())


@pytest.mark.parametrize(("suffix", "extra"), [(".sdpc", "sdpc"), (".kfb", "kfb"), (".CZI", "czi")])
def test_vendor_formats_name_their_sdk(
    cohort: Path, tmp_path: Path, suffix: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    path = cohort / f"closed{suffix}"
    path.write_bytes(b"SDPC")
    assert "closed" in identities(settings(cohort))
    message = rf'closed\{suffix}: \{suffix.lower()} slides need the package.*"oceanpath\[{extra}\]".*extract\.exclude'
    with pytest.raises(MissingExtraError, match=message) as reported:
        one(path, tmp_path)
    assert reported.value.exit_code == 5


def test_another_version_of_an_sdk_is_another_part(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cohort / "closed.kfb").write_bytes(b"KFB")
    result = []
    for version in ("1", "2"):
        monkeypatch.setattr(metadata, "version", lambda name, version=version: version)
        result.append(identities(settings(cohort)))
    assert result[0]["closed"]["reader"] == "kfbslide 1" and result[1]["closed"]["reader"] == "kfbslide 2"
    assert result[0]["a"] == result[1]["a"] and "reader" not in result[0]["a"]


def test_no_folder_of_slides(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"data\.slides"):
        parts(settings(None), Inputs())
    with pytest.raises(ExperimentError, match="the folder of slides does not exist"):
        parts(settings(tmp_path / "gone"), Inputs())


def one(path: Path, out: Path, **keys: object) -> None:
    part = Part("x", {"slide": "0" * 32, "slide_id": "x"}, {"path": str(path)})
    run_part(settings(None, **keys), Inputs(), part, out, Quiet())


def test_a_blank_slide_has_no_patches_and_is_named(tmp_path: Path, cohort: Path) -> None:
    write_aperio(cohort / "blank.svs", np.full((1024, 1024, 3), GLASS, np.uint8), 0.5)
    keys, out = settings(cohort, min_tissue=0.0), tmp_path / "out"
    out.mkdir()
    summary = run(keys, Inputs(parts=extract(keys, Inputs(), tmp_path)), out, Quiet())
    resolve(STAGE.check)(out)
    assert summary.metrics["slides"] == 3 and summary.metrics["blank"] == 1
    assert "blank, without patches: blank" in summary.lines
    meta = read_meta(out / "blank.h5")
    assert (meta.blank, meta.tissue_share, scan_features(out / "blank.h5").n) == (True, 0.0, 0)
    store = tmp_path / "store"
    store.mkdir()
    stored = resolve(MMAP.work)(MmapSettings(), Inputs(parents={"extract": out}), store, Quiet())
    assert Store(store).slide_ids == ["a", "b"] and read_blank(store) == ["blank"]
    assert "1 blank slides left out: blank" in stored.lines


def test_results_of_tissue_detection_are_stored_and_drawn(tmp_path: Path, cohort: Path) -> None:
    folder = extract(settings(cohort), Inputs(), tmp_path)["a"]
    meta = read_meta(folder / "a.h5")
    assert (meta.reader, meta.reader_reason, meta.tissue_source) == ("tiff_tiles", "", "auto")
    assert meta.tissue_share == pytest.approx(0.25, rel=0.1) and meta.ink_share == 0
    with h5py.File(folder / "a.h5") as file:
        assert file["tissue_fraction"].dtype == np.float16 and (file["tissue_fraction"][:] > 0.9).all()
    with Image.open(folder / "thumbnails/a.jpg") as plain, Image.open(folder / "masks/a.jpg") as drawn:
        assert plain.size == drawn.size
        differs = (np.abs(np.asarray(plain).astype(int) - np.asarray(drawn)).max(axis=2) > 60).nonzero()
    assert [int(axis.min()) // 8 for axis in differs] == [24, 24] and max(int(axis.max()) for axis in differs) < 584


def outline(folder: Path, name: str, box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))


def test_tissue_outlines_are_used(tmp_path: Path, cohort: Path) -> None:
    outline(tmp_path / "roi", "a", (0, 0, 256, 512))
    outline(tmp_path / "roi", "b", (1024, 1024, 2048, 1536))
    keys = settings(cohort, tissue=tmp_path / "roi")
    folders = extract(keys, Inputs(), tmp_path)
    result = {name: required(read_features(scan_features(folders[name] / f"{name}.h5"))[1]) for name in "ab"}
    assert result["a"].tolist() == [[0, 0], [0, 256]] and result["b"].tolist() == [[1024, 1024], [1536, 1024]]
    assert read_meta(folders["a"] / "a.h5").tissue_source == "geojson"
    before = identities(keys)
    outline(tmp_path / "roi", "b", (0, 0, 512, 512))
    after = identities(keys)
    assert after["a"] == before["a"] and after["b"] != before["b"]
    (tmp_path / "roi/b.geojson").unlink()
    with pytest.raises(
        StageError, match=r"b\.svs: the slide has no tissue mask; expected b\.geojson or b\.png in roi/"
    ):
        extract(keys, Inputs(), tmp_path / "again")


def test_outlines_are_matched_by_slide_id(tmp_path: Path, cohort: Path) -> None:
    """A DICOM slide is named after its folder."""
    outline(tmp_path / "roi", "x", (0, 0, 256, 512))
    out = tmp_path / "out"
    out.mkdir()
    one(cohort / "a.svs", out, tissue=tmp_path / "roi", target_mpp=0.5, patch_px=256)
    assert read_features(scan_features(out / "x.h5"))[1] is not None


def test_a_slide_that_is_damaged_inside(tmp_path: Path) -> None:
    path = draw_slide(tmp_path / "a.svs", 1)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\xff\xd8\xff", bytes(3)))
    with pytest.raises(ArtifactError, match=r"a\.svs: pixels cannot be decoded"):
        one(path, tmp_path)


# real slides


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize(
    ("name", "keys", "patches", "source"),
    [
        ("CMU-1-Small-Region.svs", {}, 43, "openslide.mpp"),
        ("CMU-1-Small-Region.jpeg.tiff", {"default_mpp": 0.5}, 44, "default_mpp"),
        ("CropBreastSlide.tiff", {"mpp": 0.5}, 48, "override"),
    ],
)
def test_real_slides_end_in_features(
    tmp_path: Path, name: str, keys: dict[str, Any], patches: int, source: str
) -> None:
    one(REAL / name, tmp_path, **keys)
    check_features(tmp_path)
    meta = read_meta(tmp_path / "x.h5")
    assert meta.mpp_source == source
    with h5py.File(tmp_path / "x.h5") as file:
        assert abs(len(file["features"]) - patches) <= 3


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("boxes_4levels.tiff", "smaller than one patch"),
        ("boxes_dicom/boxes_0.dcm", "smaller than one patch"),
        ("tiny_16x16.svs", "smaller than one patch"),
        ("camelyon_overview_jpeg.dcm", r"too low for extract\.target_mpp; expected 0\.5, got 28\.969"),
        ("broken_truncated.svs", "cannot open"),
    ],
)
def test_errors_of_real_slides_are_one_line(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(OceanPathError, match=rf"{name}: .*{says}") as caught:
        one(REAL / name, tmp_path, default_mpp=0.5)
    assert "\n" not in str(caught.value) and "extract." in str(caught.value)
    assert not list(tmp_path.iterdir())


# encoders


def test_an_alias_has_the_identity_of_its_encoder(cohort: Path) -> None:
    one, other = (ExtractSettings(encoder=name, slides=cohort) for name in ("hed_stats", "HED-stats"))
    assert one == other and one.identity() == other.identity()
    assert ExtractSettings(encoder="UNI2-h").encoder == "uni_v2"
    with pytest.raises(ExperimentError, match="Did you mean hed_stats"):
        ExtractSettings(encoder="hed_stat")


def test_features_record_their_weights(tmp_path: Path, cohort: Path) -> None:
    folders = extract(ExtractSettings(encoder="efficientnet_lite0", slides=cohort), Inputs(), tmp_path)
    meta = read_meta(folders["a"] / "a.h5")
    assert meta.encoder_revision == "0.1.0" and re.fullmatch("[0-9a-f]{64}", meta.weights_sha256)


def test_other_weights_are_other_parts_at_any_path(
    tmp_path: Path, cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files, and the hub's cache, with the same bytes: one identity."""
    hub = ENCODERS["phikon"].hub
    assert hub is not None
    cached = tmp_path / "hub/models--owkin--phikon/snapshots" / hub.revision / hub.file
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    one, same, other = (tmp_path / name for name in ("one.bin", "elsewhere.bin", "other.bin"))
    for path, content in ((one, b"1"), (same, b"1"), (other, b"2")):
        path.write_bytes(content)
    keys = {
        path.name: identities(ExtractSettings(encoder="phikon", slides=cohort, weights=path))
        for path in (one, same, other)
    }
    assert identities(ExtractSettings(encoder="phikon", slides=cohort)) == keys["one.bin"]
    assert keys["one.bin"] == keys["elsewhere.bin"] and keys["one.bin"]["a"] != keys["other.bin"]["a"]


def test_missing_weights_end_the_stage_before_any_slide(cohort: Path, tmp_path: Path) -> None:
    absent = ExtractSettings(encoder="uni_v1", slides=cohort, weights=tmp_path / "absent.bin")
    with pytest.raises(ExperimentError, match="no such weights file"):
        parts(absent, Inputs())


def test_paths_of_weights_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text('[data]\nslides = "s"\n[extract]\nencoder = "uni"\nweights = "w/uni.bin"\n')
    made = load(tmp_path / "e.toml", CATALOG).base.settings(STAGE)
    assert made.outside_paths() == {"slides": tmp_path / "s", "weights": tmp_path / "w/uni.bin"}


def damage_one_tile(path: Path, number: int) -> None:
    with tifffile.TiffFile(path) as tiff:
        start, size = tiff.pages.first.dataoffsets[number], tiff.pages.first.databytecounts[number]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(size))


def test_undecodable_patches_are_left_out_on_request_and_counted(tmp_path: Path, cohort: Path) -> None:
    whole = extract(settings(cohort), Inputs(), tmp_path / "whole")
    damage_one_tile(cohort / "a.svs", 5)
    out = tmp_path / "damaged"
    with pytest.raises(ArtifactError, match=r"a\.svs: pixels cannot be decoded"):
        extract(settings(cohort), Inputs(), out)
    keys = settings(cohort, on_bad_tile="skip")
    skipped = extract(keys, Inputs(), tmp_path / "skipped")
    (key,) = [key for key, folder in skipped.items() if (folder / "a.h5").is_file()]
    features, coords = read_features(scan_features(skipped[key] / "a.h5"))
    all_features, all_coords = read_features(scan_features(whole[key] / "a.h5"))
    assert coords is not None and all_coords is not None
    kept = ~(all_coords == (256, 256)).all(axis=1)
    assert 0 < kept.sum() == len(kept) - 1
    assert np.array_equal(coords, all_coords[kept])
    assert np.array_equal(features, all_features[kept])
    assert read_meta(skipped[key] / "a.h5").undecodable_patches == 1
    (tmp_path / "all").mkdir()
    message = run(keys, Inputs(parts=skipped), tmp_path / "all", Quiet())
    assert "1 patches left out because pixels cannot be decoded: a (1)" in message.lines


def test_attributes_of_intact_slides_are_unchanged(tmp_path: Path, cohort: Path) -> None:
    """Keys of later versions are stored only where they say something, so bytes and fingerprints stay."""
    folders = extract(settings(cohort), Inputs(), tmp_path / "o")
    file = next(path for folder in folders.values() for path in folder.glob("*.h5"))
    with h5py.File(file) as opened:
        assert not {"undecodable_patches", "undecodable_share", "colour_profile", "tissue_origin"} & set(opened.attrs)
    assert "on_bad_tile" not in settings(cohort).identity()
    assert settings(cohort, on_bad_tile="skip").identity()["on_bad_tile"] == "skip"
