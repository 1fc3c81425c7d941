"""The served page in a browser: a dropped file, its map, keyboard, downloads and time per frame."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from oceanpath.serving.engine import Engine
from oceanpath.serving.offline import find_bundle

from ..serving.conftest import Server, start, stop
from .conftest import REASON, VIEWS, View, Viewer, check_accessibility, check_width, keep

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
MOST_MS = 8.0
"""Scripting per frame with 100,000 patches."""
WATCH = """
window.frames_ms = [];
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => ask((time) => {
  const start = performance.now();
  draw(time);
  window.frames_ms.push(performance.now() - start);
});
"""

PIXEL = """([x, y, width, height]) => {
  const canvas = document.getElementById("map"), zoom = Math.min(canvas.width / width, canvas.height / height);
  const left = canvas.width / 2 + (x - width / 2) * zoom, top = canvas.height / 2 + (y - height / 2) * zoom;
  return [...canvas.getContext("2d").getImageData(Math.round(left), Math.round(top), 1, 1).data];
}"""


@pytest.fixture(scope="module")
def bundle(quickstart: Path) -> Path:
    """The bundle of the quickstart."""
    return find_bundle(quickstart / "experiments" / "quickstart" / "export")


@pytest.fixture(scope="module")
def served(quickstart: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this bundle."""
    folder = str(quickstart / "experiments" / "quickstart" / "extract")
    server = start(bundle, tmp_path_factory.mktemp("page") / "log", features=folder)
    yield server
    stop(server)


@pytest.fixture(scope="module")
def slide(quickstart: Path) -> Path:
    """Features of the slide with the most patches."""
    files = sorted((quickstart / "experiments" / "quickstart" / "extract").glob("*.h5"))

    def patches(path: Path) -> int:
        with h5py.File(path) as file:
            return len(file["features"])

    return max(files, key=patches)


def predict(page: Page, *files: Path) -> None:
    """Choose files and wait for the prediction of the last one."""
    page.set_input_files("#file", [str(file) for file in files])
    page.locator("#status", has_text=f"{files[-1].name}: ").wait_for()
    page.locator("#result").wait_for()


def offline(served: Server, slide: Path) -> dict[str, Any]:
    """The prediction of the server for the same bytes, which other tests compare with that of the evaluation."""
    status, answer = served.ask(
        f"/predict?attention=1&members=1&contributions=1&slide_id={slide.stem}", slide.read_bytes()
    )
    assert status == 200
    found: dict[str, Any] = answer
    return found


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_page_is_accessible_before_and_after_a_prediction(
    served: Server, slide: Path, view: View, viewer: Viewer
) -> None:
    with viewer.open(served.url, view) as page:
        page.wait_for_selector("#facts dt")
        check_width(page)
        check_accessibility(page)
        predict(page, slide)
        check_width(page)
        check_accessibility(page)
        if view.scheme == "light":
            keep(page, "page" if view.width == VIEWS[0].width else "page_phone", whole=True)


def test_the_prediction_is_shown_with_its_threshold_and_its_evidence(
    served: Server, slide: Path, viewer: Viewer
) -> None:
    answer = offline(served, slide)
    with viewer.open(served.url) as page:
        predict(page, slide)
        text = page.inner_text("#result").replace("\u00a0", " ")
        gauge = page.get_attribute("#gauge svg", "aria-label")
    shown = f"{100 * answer['probabilities'][answer['predicted']]:.1f} %"
    assert f"{answer['predicted']}, {shown}" in text and f"Decision: {answer['decision']}." in text
    assert gauge and "threshold" in gauge and "members" in gauge
    assert re.search(r"sensitivity 0\.\d{3} \(95 % interval .*specificity 0\.\d{3} \(95 % interval", text)
    assert "The 5 members give" in text and "training slides" in text


def test_pixels_of_the_map_have_the_colours_of_the_attention(
    served: Server, bundle: Path, slide: Path, viewer: Viewer
) -> None:
    """The colour at the centre of the named patches is that of their attention, computed here without the server."""
    with h5py.File(slide) as file:
        features, coords = file["features"][:], file["coords"][:]
    attention = Engine.load(bundle, threads=1).predict(features, coords).attention
    side = offline(served, slide)["patch_px_level0"]
    order = np.argsort(-attention)
    with viewer.open(served.url) as page:
        predict(page, slide)
        for patch in (*order[:3].tolist(), int(order[len(order) // 2]), int(order[-1])):
            where = (coords[patch] + side / 2 - coords.min(axis=0)).tolist()
            assert pixel(page, coords, side, where) == viridis(attention[patch] / attention.max())


def test_pixels_show_the_sign_of_the_contributions(served: Server, bundle: Path, slide: Path, viewer: Viewer) -> None:
    """As for attention; the contributions are computed here without the server, and 0 is in the middle."""
    with h5py.File(slide) as file:
        features, coords = file["features"][:], file["coords"][:]
    engine = Engine.load(bundle, threads=1)
    prediction = engine.predict(features, coords, explains=True)
    name, weights = engine.explained(prediction)
    assert prediction.contributions is not None
    parts = (prediction.contributions @ weights).mean(axis=0)
    side = offline(served, slide)["patch_px_level0"]
    with viewer.open(served.url, VIEWS[2]) as page:
        predict(page, slide)
        page.check("#view input[value=contribution]")
        for patch in (int(np.argmax(parts)), int(np.argmin(parts)), int(np.argmin(abs(parts)))):
            where = (coords[patch] + side / 2 - coords.min(axis=0)).tolist()
            wanted = interpolated(SIGNED, 0.5 + parts[patch] / (2 * abs(parts).max()))
            assert np.abs(np.subtract(pixel(page, coords, side, where), wanted)).max() <= 1
        assert f"Contribution to the {name}" in page.inner_text("#scale")
        check_width(page)
        check_accessibility(page)
        keep(page, "page_contributions_phone", whole=True)


def pixel(page: Page, coords: np.ndarray, side: float, where: list[float]) -> list[int]:
    """The colour of the map, which shows the whole slide, at level-0 pixels from the corner of the patches."""
    width, height = (np.ptp(coords, axis=0) + side).tolist()
    page.wait_for_timeout(100)
    found: list[int] = page.evaluate(PIXEL, [*where, width, height])
    return found[:3]


VIRIDIS = [[68, 1, 84], [65, 68, 135], [42, 120, 142], [34, 168, 132], [122, 209, 81], [253, 231, 37]]
SIGNED = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]]


def viridis(t: float) -> list[int]:
    """The colour of attention at a position of the legend from 0 to 1."""
    return interpolated(VIRIDIS, t)


def interpolated(colours: list[list[int]], t: float) -> list[int]:
    """The colour at a position from 0 to 1, as in web/scale.js."""
    stops, last = np.array(colours, np.float64), len(colours) - 1
    k = min(int(t * last), last - 1)
    return [int(part) for part in np.floor(stops[k] + (t * last - k) * (stops[k + 1] - stops[k]) + 0.5)]


def test_the_keyboard_moves_zooms_and_selects(served: Server, slide: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        predict(page, slide)
        page.focus("#map")
        before = page.evaluate("document.getElementById('map').toDataURL()")
        for key in ("+", "+", "ArrowRight", "ArrowDown"):
            page.keyboard.press(key)
        page.wait_for_timeout(100)
        assert page.evaluate("document.getElementById('map').toDataURL()") != before
        page.keyboard.press("0")
        page.wait_for_timeout(100)
        assert page.evaluate("document.getElementById('map').toDataURL()") == before
        page.focus("#rows button")
        page.keyboard.press("Enter")
        assert re.match(r"Patch \d+ at x \d+, y \d+: attention", page.inner_text("#patch"))


def test_hovering_shows_the_attention_of_a_patch(served: Server, slide: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        predict(page, slide)
        page.click("#rows button")  # the patch with the highest attention is in the middle
        best = page.inner_text("#patch")
        page.hover("#map")
        assert page.inner_text("#patch") == best


def test_downloads_have_every_patch(served: Server, slide: Path, viewer: Viewer, tmp_path: Path) -> None:
    answer = offline(served, slide)
    with viewer.open(served.url) as page:
        predict(page, slide)
        for kind in ("geojson", "csv", "png"):
            with page.expect_download() as found:
                page.click(f"#save-{kind}")
            found.value.save_as(tmp_path / f"map.{kind}")
            assert found.value.suggested_filename == f"{slide.stem}.attention.{kind}"
    features = json.loads((tmp_path / "map.geojson").read_text())["features"]
    with (tmp_path / "map.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [feature["properties"]["measurements"]["attention"] for feature in features] == answer["attention"]
    assert [float(row["attention"]) for row in rows] == answer["attention"]
    assert [float(row["contribution"]) for row in rows] == answer["contributions"]["values"]
    assert [[float(row["minx"]), float(row["miny"])] for row in rows] == answer["coords"]
    assert {float(row["width"]) for row in rows} == {answer["patch_px_level0"]}
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_several_files_are_listed_and_a_wrong_one_is_explained(
    served: Server, slide: Path, viewer: Viewer, tmp_path: Path
) -> None:
    (tmp_path / "notes.npy").write_bytes(b"no features")
    with viewer.open(served.url, VIEWS[2]) as page:
        predict(page, slide)
        page.set_input_files("#file", str(tmp_path / "notes.npy"))
        page.wait_for_selector("#error:not([hidden])")
        assert "notes.npy" in page.inner_text("#error") and page.locator("#files tr").count() == 2
        check_width(page)
        check_accessibility(page)
        viewer.problems = [line for line in viewer.problems if "status of 4" not in line]  # the refusal is expected


def test_a_slide_of_the_folder_is_predicted_by_id(served: Server, slide: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        page.fill("#slide", slide.stem)
        page.keyboard.press("Enter")
        page.locator("#status", has_text=f"{slide.stem}: ").wait_for()
        assert page.inner_text("#predicted").startswith(offline(served, slide)["predicted"])


def test_a_server_with_keys_asks_for_one(bundle: Path, slide: Path, viewer: Viewer, tmp_path: Path) -> None:
    server = start(bundle, tmp_path / "log", keys=["a-key-of-the-browser"])
    with viewer.open(server.url) as page:
        page.locator("#key-form").wait_for()
        check_accessibility(page)
        page.fill("#key", "a-key-of-the-browser")
        page.keyboard.press("Enter")
        page.locator("#facts dt").first.wait_for()
        predict(page, slide)
        viewer.problems = [line for line in viewer.problems if "status of 401" not in line]  # expected at first
    stop(server)


def test_a_frame_with_100000_patches_takes_little_scripting(served: Server, slide: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        page.locator("#facts dt").first.wait_for()
        page.add_init_script(WATCH)
        page.route("**/predict?*", lambda route: route.fulfill(json=large_answer(offline(served, slide))))
        page.goto(served.url)
        predict(page, slide)
        page.evaluate("window.frames_ms.length = 0")
        page.focus("#map")
        page.locator("#map").scroll_into_view_if_needed()
        box = page.locator("#map").bounding_box()
        assert box
        page.mouse.move(box["x"] + 200, box["y"] + 200)
        for k in range(12):
            page.mouse.wheel(0, -120 if k < 6 else 60)
        page.mouse.down()
        for k in range(40):
            page.mouse.move(box["x"] + 200 + 6 * k, box["y"] + 200 + 3 * k)
        page.mouse.up()
        page.wait_for_timeout(200)
        times = np.asarray(page.evaluate("window.frames_ms"))
    print(
        f"100,000 patches: {len(times)} frames, scripting median {np.median(times):.2f} ms, worst {times.max():.2f} ms"
    )
    assert len(times) >= 10 and np.median(times) < MOST_MS


def large_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """The same prediction for 100,000 patches of a round section of tissue."""
    side, across = answer["patch_px_level0"], 360
    grid = np.stack(np.meshgrid(np.arange(across), np.arange(across)), axis=-1).reshape(-1, 2)
    inside = grid[np.argsort(np.linalg.norm(grid - across / 2, axis=1), kind="stable")[:100_000]]
    weights = np.exp(-np.linalg.norm(inside - across / 3, axis=1) / 40)
    shares = (weights / weights.sum()).tolist()
    return {**answer, "n_patches": 100_000, "attention": shares, "coords": (inside * int(side)).tolist()}
