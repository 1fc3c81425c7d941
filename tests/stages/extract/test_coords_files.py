"""Places that TRIDENT or CLAM chose are read as they are, and refused where they belong to other patches or slides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from oceanpath.artifacts.features.files import read_coords_file, read_features, scan_features
from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.pipeline.stage import Inputs, Part, Quiet
from oceanpath.slides.encoders import build_encoder
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide
from oceanpath.stages.extract.cohort import parts
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.tiling import tile_slide
from oceanpath.stages.extract.work import run_part

from ...narrowing import required
from .test_work import draw_slide

CLAM = Path(__file__).resolve().parents[3] / "../shared/data/clam_coords_h5"
PLACES = [[700, 512], [0, 0], [900, 896]]
"""In no order, off the grid, over tissue and glass, the last over the slide's edge."""


def put(path: Path, coords: list[list[int]] = PLACES, **attrs: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["coords"] = np.array(coords, np.int64)
        file["coords"].attrs.update(attrs or {"patch_size": 256, "patch_size_level0": 256, "target_magnification": 20})
    return path


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    draw_slide(tmp_path / "slides/a.svs", 1)
    put(tmp_path / "patches/a_patches.h5")
    return tmp_path / "slides"


def settings(slides: Path, **keys: Any) -> ExtractSettings:
    return ExtractSettings(encoder="hed_stats", slides=slides, coords=slides.parent / "patches", **keys)


def make(keys: ExtractSettings, out: Path) -> Path:
    out.mkdir()
    part: Part = parts(keys, Inputs())[0]
    run_part(keys, Inputs(), part, out, Quiet())
    return out / "a.h5"


@pytest.mark.parametrize("attrs", [{}, {"patch_size": 256, "downsample": [1.0, 1.0], "patch_level": 0}])
def test_features_have_the_order_of_the_given_coordinates(slides: Path, tmp_path: Path, attrs: dict[str, Any]) -> None:
    put(tmp_path / "patches/a_patches.h5", **attrs)
    features, coords = read_features(scan_features(make(settings(slides), tmp_path / "out")))
    assert coords is not None and coords.tolist() == PLACES
    with open_slide(slides / "a.svs") as reader:
        cut = tile_slide(reader, settings(slides), "a")
        patches = read_patches(reader, cut.grid, np.array(PLACES))
    assert np.array_equal(build_encoder("hed_stats").encode(patches), features)
    outside = patches[2, 128:, :]  # 900 + 256 and 896 + 256 are past 1024
    assert (outside == 255).all()


def test_coordinates_change_only_the_identity_of_their_slide(slides: Path, tmp_path: Path) -> None:
    draw_slide(tmp_path / "slides/b.svs", 2)
    put(tmp_path / "patches/b.h5")
    before = [part.identity for part in parts(settings(slides), Inputs())]
    put(tmp_path / "patches/b.h5", PLACES[:2])
    after = [part.identity for part in parts(settings(slides), Inputs())]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


@pytest.mark.parametrize(
    ("coords", "attrs", "kind", "words"),
    [
        (PLACES, {"patch_size_level0": 512}, StageError, r"another size; expected a side of 256.*got 512.*256 µm wide"),
        ([[1024, 0]], {}, StageError, r"outside the slide; expected inside 1024 x 1024"),
        ([[-1, 0]], {}, StageError, "outside the slide"),
        ([], {}, ArtifactError, r"no patches.*extract\.exclude"),
        ([[1, 2, 3]], {}, ArtifactError, "the coordinates are neither pixels nor micrometres"),
    ],
)
def test_other_patches_are_refused(
    slides: Path, tmp_path: Path, coords: list[list[int]], attrs: dict[str, Any], kind: type[Exception], words: str
) -> None:
    put(tmp_path / "patches/a_patches.h5", coords, **attrs)
    with pytest.raises(kind, match=words):
        make(settings(slides), tmp_path / "out")


def test_slides_without_coordinates_are_named_before_any_is_read(slides: Path, tmp_path: Path) -> None:
    draw_slide(tmp_path / "slides/aa.svs", 2)
    with pytest.raises(ExperimentError, match=r"1 of 2: aa \(nearest: a\)"):
        parts(settings(slides), Inputs())
    assert len(parts(settings(slides, exclude=("aa",)), Inputs())) == 1


def test_coordinates_are_refused_for_trident(slides: Path) -> None:
    with pytest.raises(ValidationError, match="coords requires backend"):
        settings(slides, backend="trident")


@pytest.mark.real
def test_real_coordinates_of_clam() -> None:
    files = sorted(CLAM.glob("*.h5"))
    if not files:
        pytest.skip("no real lists here")
    for path in files:
        coords, side = read_coords_file(path)
        with h5py.File(path) as file:
            assert np.array_equal(coords, file["coords"][:])
        assert side == 512


def test_coordinates_of_rounded_magnifications_fit_tridents_geometry(tmp_path: Path) -> None:
    """At 0.31 µm TRIDENT's patches of 20x are 256 px wide; 0.5 µm a pixel would take 413."""
    slide = draw_slide(tmp_path / "slides/a.svs", 1, mpp=0.31)
    put(tmp_path / "patches/a_patches.h5")
    with pytest.raises(StageError, match="patches of another size; expected a side of 413 level-0 px, got 256"):
        make(settings(slide.parent), tmp_path / "out")
    made = make(settings(slide.parent, geometry="trident"), tmp_path / "again")
    assert required(read_features(scan_features(made))[1]).tolist() == PLACES
