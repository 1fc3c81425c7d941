"""Slides on the served page: pictures of patches, the map over the slide, and what is shown without a slide."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from PIL import Image

from oceanpath.serving.offline import find_bundle

from ..serving.conftest import Server, start, stop
from ..slides.marked import edges_of, write_marked
from .conftest import REASON, VIEWS, View, Viewer, check_accessibility, check_width, keep

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
SIZE, CELL = (3000, 2000), (9, 5)
"""Size of the marked slide, and column and row of the patch that is marked."""
KEY = "a-key-of-the-browser"
HIGHEST, LOWEST = np.array([253, 231, 37]), np.array([68, 1, 84])


@pytest.fixture(scope="module")
def bundle(quickstart: Path) -> Path:
    """The bundle of the quickstart."""
    return find_bundle(quickstart / "experiments" / "quickstart" / "export")


@pytest.fixture(scope="module")
def extracted(quickstart: Path) -> Path:
    """Features of the demo slide with the most patches."""
    files = sorted((quickstart / "experiments" / "quickstart" / "extract").glob("*.h5"))
    return max(files, key=lambda path: path.stat().st_size)


@pytest.fixture(scope="module")
def slides(quickstart: Path, extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides: that of the features, a marked one, a small one, and one that is damaged."""
    folder = tmp_path_factory.mktemp("slides")
    name = f"{extracted.stem}.svs"
    (folder / name).symlink_to(quickstart / "experiments" / "quickstart" / "demo" / "slides" / name)
    side = side_of(extracted)
    left, top = CELL[0] * side, CELL[1] * side
    write_marked(folder / "marked.svs", SIZE, (left, top, left + side, top + side))
    write_marked(folder / "small.svs", (400, 300), (10, 10, 50, 50))
    (folder / "damaged.svs").write_bytes((folder / "marked.svs").read_bytes()[:900])
    return folder


def side_of(features: Path) -> int:
    with h5py.File(features) as file:
        side = float(file.attrs["patch_px_level0"])
    assert side == int(side)
    return int(side)


@pytest.fixture(scope="module")
def served(bundle: Path, slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with slides and a key."""
    server = start(bundle, tmp_path_factory.mktemp("page") / "log", slides=str(slides), keys=[KEY])
    yield server
    stop(server)


@pytest.fixture(scope="module")
def marked(served: Server, extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features whose patch with the highest attention is at the mark of the slide `marked`."""
    _, answer = served.ask("/predict?attention=1", extracted.read_bytes(), X_API_Key=KEY)
    side, best = side_of(extracted), int(np.argmax(answer["attention"]))
    columns, rows = SIZE[0] // side, SIZE[1] // side
    cells = [(x, y) for y in range(rows) for x in range(columns) if (x, y) != CELL]
    cells = cells[: len(answer["attention"])]
    cells[best:best] = [CELL]
    file = tmp_path_factory.mktemp("features") / "marked.h5"
    shutil.copyfile(extracted, file)
    with h5py.File(file, "r+") as handle:
        coords = handle["coords"]
        coords[:] = np.array(cells[: len(coords)]) * side
    return file


def show(page: Page, file: Path) -> None:
    """Give the key, choose a file, and wait for its prediction."""
    if page.locator("#facts dt").count() == 0:
        page.locator("#key-form").wait_for()
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.locator("#facts dt").first.wait_for()
    page.set_input_files("#file", str(file))
    page.locator("#status", has_text=f"{file.name}: ").wait_for()


def wait_for_slide(page: Page) -> None:
    """Wait until the tiles and the pictures of the shown slide are there."""
    from playwright.sync_api import expect

    page.locator("#stage.with-slide").wait_for()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#pictures img[src]")).to_have_count(10)
    page.wait_for_timeout(300)


def forgive(viewer: Viewer) -> None:
    """The first request, without a key, is refused."""
    viewer.problems = [line for line in viewer.problems if "status of 401" not in line]


def stage(page: Page, opacity: int) -> np.ndarray:
    """The pixels of the map and of the slide below it, without the outline of a selected patch."""
    page.locator("#opacity").fill(str(opacity))
    page.wait_for_timeout(200)
    return np.asarray(Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB"))


def patch_edges(rgb: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the patch in the colour of the highest attention."""
    rows, columns = np.nonzero(np.abs(rgb.astype(int) - HIGHEST).max(axis=2) < 12)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_the_map_and_the_slide_agree_with_the_geometry(
    served: Server, marked: Path, extracted: Path, viewer: Viewer
) -> None:
    """The mark of the slide and the patch of the map are both where the coordinates of the patch say."""
    side = side_of(extracted)
    with viewer.open(served.url) as page:
        show(page, marked)
        wait_for_slide(page)
        slide, over = stage(page, 0), stage(page, 100)
        height, width = slide.shape[:2]
        zoom = min(width / SIZE[0], height / SIZE[1])
        corner = [(whole - size * zoom) / 2 for whole, size in zip((width, height), SIZE, strict=True)]
        wanted = [(CELL[k % 2] + k // 2) * side * zoom + corner[k % 2] for k in range(4)]
        assert edges_of(slide) == pytest.approx(wanted, abs=1.0)
        assert patch_edges(over) == pytest.approx(wanted, abs=1.5)
        page.locator("#pictures button").first.click()  # closer, with the patch in the middle
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        page.evaluate("document.activeElement.blur()")
        near = stage(page, 0)
        inside = edges_of(near[:, : near.shape[1]])
        assert inside[2] - inside[0] > 2 * (wanted[2] - wanted[0])
        assert np.mean([inside[0], inside[2]]) == pytest.approx(width / 2, abs=4)
        assert np.mean([inside[1], inside[3]]) == pytest.approx(height / 2, abs=4)
        forgive(viewer)


def test_the_map_is_mixed_with_the_slide_by_its_opacity(served: Server, marked: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        show(page, marked)
        wait_for_slide(page)
        none, half, full = (stage(page, opacity).astype(int) for opacity in (0, 50, 100))
        row, column = none.shape[0] // 2, none.shape[1] // 2
        mixed = (none[row, column] + full[row, column]) / 2
        assert np.abs(none[row, column] - full[row, column]).max() > 30
        assert half[row, column] == pytest.approx(mixed, abs=3)
        forgive(viewer)


def test_pictures_show_the_patches_with_the_highest_attention(served: Server, marked: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        show(page, marked)
        wait_for_slide(page)
        pictures = page.locator("#pictures img")
        assert pictures.count() == 10
        first, second = (
            np.asarray(Image.open(io.BytesIO(pictures.nth(k).screenshot())).convert("RGB"))[8:-8, 8:-8] for k in (0, 1)
        )
        assert first.mean(axis=(0, 1)) == pytest.approx([20, 40, 160], abs=12)  # the mark, and nothing else
        assert second.mean(axis=(0, 1)) == pytest.approx([236, 200, 222], abs=12)
        assert "pixels of 0.5" in page.inner_text("#slide-note")
        order = [text.split(":")[0] for text in page.locator("#pictures span").all_inner_texts()]
        assert order == page.locator("#rows button").all_inner_texts()
        page.check("#view input[value=contribution]")
        wait_for_slide(page)
        order = [text.split(":")[0] for text in page.locator("#pictures span").all_inner_texts()]
        assert order == page.locator("#rows button").all_inner_texts()
        forgive(viewer)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_page_with_a_slide_is_accessible(served: Server, extracted: Path, view: View, viewer: Viewer) -> None:
    with viewer.open(served.url, view) as page:
        show(page, extracted)
        wait_for_slide(page)
        check_width(page)
        check_accessibility(page)
        if view == VIEWS[0]:
            keep(page, "page_slide", whole=True, photo=True)
        forgive(viewer)


def test_the_keyboard_moves_the_slide_with_the_map(served: Server, marked: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        show(page, marked)
        wait_for_slide(page)
        page.focus("#pictures button >> nth=0")
        page.keyboard.press("Enter")
        assert "attention" in page.inner_text("#patch")
        page.focus("#map")
        page.keyboard.press("0")
        for key in ("+", "+", "ArrowRight"):
            page.keyboard.press(key)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        before = edges_of(stage(page, 0))
        page.focus("#map")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(500)
        after, width = edges_of(stage(page, 0)), page.evaluate("document.getElementById('map').clientWidth")
        assert before[0] - after[0] == pytest.approx(0.15 * width, abs=2)
        forgive(viewer)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("elsewhere", "The folder of the server has no slide elsewhere."),
        ("small", "Patches are outside the slide small of the server, which has 400 \u00d7 300 pixels"),
        ("damaged", "OpenSlide cannot open this file"),
    ],
)
def test_a_slide_that_cannot_be_shown_has_a_reason(
    served: Server, marked: Path, viewer: Viewer, tmp_path: Path, name: str, reason: str
) -> None:
    file = tmp_path / f"{name}.h5"
    shutil.copyfile(marked, file)
    with viewer.open(served.url, VIEWS[2]) as page:
        show(page, file)
        page.locator("#slide-note", has_text="The slide is not shown.").wait_for()
        assert reason in page.inner_text("#slide-note")
        assert page.locator("#pictures").is_hidden() and page.locator("#opacity-line").is_hidden()
        assert page.locator("#map").is_visible()
        check_accessibility(page)
        viewer.problems = [line for line in viewer.problems if "status of 4" not in line]  # no key, damaged slide


def test_a_server_without_slides_names_the_option(bundle: Path, marked: Path, viewer: Viewer, tmp_path: Path) -> None:
    server = start(bundle, tmp_path / "log")
    with viewer.open(server.url) as page:
        page.locator("#facts dt").first.wait_for()
        show(page, marked)
        page.locator("#slide-note", has_text="option --slides").wait_for()
    stop(server)


def test_another_file_replaces_the_slide(served: Server, marked: Path, extracted: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        for file in (marked, extracted, marked):
            show(page, file)
            wait_for_slide(page)
            assert page.locator("#slide-view > *").count() == 1
        found = edges_of(stage(page, 0))
        assert found[2] - found[0] > 5
        forgive(viewer)
