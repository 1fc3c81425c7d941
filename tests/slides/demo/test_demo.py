"""The rendered cohort: the same seed gives the same bytes, and the picture holds what the plan says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.demo.canvas import draw
from oceanpath.slides.demo.cohort import write_slide
from oceanpath.slides.demo.nuclei import Kind, jittered, scatter
from oceanpath.slides.demo.plan import CLASSES, SlidePlan, Spot, plan_cohort
from oceanpath.slides.demo.texture import SIDE, Texture, build_textures
from oceanpath.slides.reader import open_slide


@pytest.fixture(scope="module")
def textures() -> dict[str, Texture]:
    return build_textures(5)


def plan(*spots: Spot, side: int = 1024, mpp: float = 0.5) -> SlidePlan:
    return SlidePlan("OP-1-A", "OP-1", "tumour", "Harbour", mpp, 60, "female", side, spots, (5, 3, 1, 0))


@settings(deadline=None, max_examples=40)
@given(slides=st.integers(4, 80), seed=st.integers(0, 2**32 - 1))
def test_a_plan_is_a_cohort(slides: int, seed: int) -> None:
    plans = plan_cohort(slides, 2048, seed)
    assert plans == plan_cohort(slides, 2048, seed)
    ids = [p.slide_id for p in plans]
    assert len(plans) == slides and ids == sorted(set(ids))
    labels = {p.patient_id: set() for p in plans}
    for p in plans:
        labels[p.patient_id].add((p.label, p.site, p.age, p.sex))
        kinds = [spot.kind for spot in p.spots]
        assert ("tumour" in kinds) == (p.label == CLASSES[1])
        assert all(np.hypot(s.x - p.side / 2, s.y - p.side / 2) <= 0.3 * p.side + 1 for s in p.spots)
    assert all(len(told) == 1 for told in labels.values())
    counts = [sum(p.patient_id == name for p in plans) for name in labels]
    assert max(counts) <= 3
    assert {p.label for p in plans} == set(CLASSES) or len(labels) < 2


def test_textures_are_endless_and_repeatable(textures: dict[str, Texture]) -> None:
    assert set(textures) == {"stroma", "mucosa", "reactive", "lymphocytes", "tumour"}
    again = build_textures(5)
    for name, texture in textures.items():
        assert np.array_equal(texture.haematoxylin, again[name].haematoxylin)
        for stain in (texture.haematoxylin, texture.eosin):
            assert stain.shape == (SIDE, SIDE)
            steps = np.abs(np.diff(stain.astype(int), axis=0)).mean()
            seam = np.abs(stain[0].astype(int) - stain[-1]).mean()
            assert seam < 2 * steps + 1, name
    assert textures["tumour"].haematoxylin.mean() > 2 * textures["mucosa"].haematoxylin.mean()


def test_nuclei_meet_across_the_edges() -> None:
    kind = Kind(9, 7, 0.8)
    rng = np.random.default_rng(0)
    canvas = scatter(128, [(0, 0, 0.0)], rng, kind, bank=1)
    assert all(canvas[corner] > 0.4 for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)))
    assert canvas[64, 64] < 0.01
    spots = jittered(rng, 200, 20, 0.0)
    assert len(np.unique(spots, axis=0)) == len(spots) and 100 < len(spots) < 140


def test_equal_plans_give_equal_files(tmp_path: Path, textures: dict[str, Texture]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    spots = (Spot("fold", 500, 500, 300), Spot("bleached", 400, 600, 200), Spot("tumour", 512, 512, 150))
    first, second = (write_slide(plan(*spots), textures, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("kind", ["tumour", "lymphocytes", "reactive", "bleached", "fold"])
def test_what_is_planned_is_seen_in_its_place(textures: dict[str, Texture], kind: str) -> None:
    base = plan()
    planted = dataclasses.replace(base, spots=(Spot(kind, 560, 480, 160),))
    tissue = draw(base, textures).min(axis=2) < 235
    assert 0.2 < tissue.mean() < 0.75
    blank, seen = (draw(p, {**textures}) for p in (base, planted))
    middle = (slice(430, 530), slice(510, 610))
    dark = (255 - seen[middle].astype(float)).mean() - (255 - blank[middle].astype(float)).mean()
    assert dark < -10 if kind == "bleached" else abs(dark) > 3


def test_a_finer_scanner_sees_the_same_field(tmp_path: Path, textures: dict[str, Texture]) -> None:
    for mpp in (0.5, 0.25):
        (tmp_path / str(mpp)).mkdir()
        path = write_slide(plan(mpp=mpp), textures, tmp_path / str(mpp))
        with open_slide(path) as slide:
            assert (slide.mpp.x, slide.width) == (mpp, round(1024 * 0.5 / mpp))
    views = []
    for mpp in (0.5, 0.25):
        with open_slide(tmp_path / str(mpp) / "OP-1-A.svs") as slide:
            views.append(slide.overview(128, 128).astype(float))
    assert np.abs(views[0] - views[1]).mean() < 4
    assert np.corrcoef(views[0].ravel(), views[1].ravel())[0, 1] > 0.99


def test_aperio_files_have_levels_a_power_and_no_dates(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (700, 900, 3)).astype(np.uint8)
    write_aperio(tmp_path / "a.svs", pixels, 0.25)
    import openslide

    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        told = slide.properties
        assert (told["openslide.vendor"], told["openslide.objective-power"]) == ("aperio", "40")
        assert slide.level_dimensions == ((900, 700), (225, 175), (57, 44))
        assert "tiff.DateTime" not in told and "tiff.Software" not in told
