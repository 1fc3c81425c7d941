"""Two models on the served page: the same features, two predictions and two maps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oceanpath.serving.offline import find_bundle

from ..serving.bundle_copies import copy_with_other_weights
from ..serving.conftest import Server, Toy, start, stop, write_bundle
from .conftest import REASON, VIEWS, View, Viewer, check_accessibility, check_width, keep

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture(scope="module")
def features(quickstart: Path) -> Path:
    """Feature files of the quickstart."""
    return quickstart / "experiments" / "quickstart" / "extract"


@pytest.fixture(scope="module")
def served(quickstart: Path, features: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the bundle of the quickstart, of one with other weights, and of one for other features."""
    bundle = find_bundle(quickstart / "experiments" / "quickstart" / "export")
    other, toys = tmp_path_factory.mktemp("other"), tmp_path_factory.mktemp("toy")
    copy_with_other_weights(bundle, other, 1.5)
    write_bundle(toys, Toy().eval())
    slides = str(quickstart / "experiments" / "quickstart" / "demo" / "slides")
    server = start(
        bundle,
        tmp_path_factory.mktemp("page") / "log",
        {"other": other, "toy": toys},
        features=str(features),
        slides=slides,
    )
    yield server
    stop(server)


@pytest.fixture(scope="module")
def slide(features: Path) -> Path:
    return max(features.glob("*.h5"), key=lambda path: path.stat().st_size)


def compare(page: Page, file: Path, other: str = "other") -> None:
    page.locator("#model-form").wait_for()
    page.select_option("#other", label=other)
    page.set_input_files("#file", str(file))
    page.locator("#status", has_text=f"{file.name}: ").wait_for()


def answer_of(served: Server, model: str, slide: Path) -> dict[str, Any]:
    status, answer = served.ask(f"{model}/predict?attention=1", slide.read_bytes())
    assert status == 200
    found: dict[str, Any] = answer
    return found


def top(answer: dict[str, Any]) -> list[str]:
    attention = answer["attention"]
    return [str(i) for i in sorted(range(len(attention)), key=lambda i: -attention[i])[:10]]


def test_both_models_answer_for_the_same_features(served: Server, slide: Path, viewer: Viewer) -> None:
    one, two = answer_of(served, "", slide), answer_of(served, "/models/other", slide)
    assert one["probabilities"] != two["probabilities"]
    with viewer.open(served.url) as page:
        compare(page, slide)
        for answer, suffix in ((one, ""), (two, "-2")):
            shown = f"{100 * answer['probabilities'][answer['predicted']]:.1f}\u00a0%"
            assert page.inner_text(f"#predicted{suffix}") == f"{answer['predicted']}, {shown}"
            assert page.locator(f"#rows{suffix} button").all_inner_texts() == top(answer)
        assert page.inner_text("#panel-name-2") == "other" and " and other" in page.inner_text("#name")
        boxes = [page.locator(name).bounding_box() for name in ("#map", "#map-2")]
        assert boxes[0] and boxes[1]
        assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=60) and boxes[1]["x"] > boxes[0]["x"] + 100


def test_both_maps_show_the_same_part(served: Server, slide: Path, viewer: Viewer) -> None:
    """The second map is moved by itself to what the first was moved to, and shows the same."""
    with viewer.open(served.url) as page:
        compare(page, slide)
        page.locator("#stage.with-slide").wait_for()
        page.locator("#stage-2.with-slide").wait_for()
        picture = "document.getElementById('map-2').toDataURL()"
        start = page.evaluate(picture)
        for keys in (("+", "+", "ArrowRight"), ("0",)):
            page.focus("#map")
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_timeout(200)
            followed = page.evaluate(picture)
            assert (followed == start) == (keys == ("0",))
            page.focus("#map-2")
            page.keyboard.press("0")
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_timeout(200)
            assert page.evaluate(picture) == followed


def test_a_model_that_refuses_the_features_has_its_reason(served: Server, slide: Path, viewer: Viewer) -> None:
    with viewer.open(served.url) as page:
        compare(page, slide, "toy")
        assert page.locator("#result").is_visible() and page.locator("#result-2").is_hidden()
        assert slide.name in page.inner_text("#error-title-2") and "expected [N, 12]" in page.inner_text("#message-2")
        check_accessibility(page)
        viewer.problems = [line for line in viewer.problems if "status of 4" not in line]  # the refusal is expected


def test_another_model_predicts_the_files_again(served: Server, slide: Path, viewer: Viewer) -> None:
    two = answer_of(served, "/models/other", slide)
    with viewer.open(served.url) as page:
        page.locator("#model-form").wait_for()
        page.set_input_files("#file", str(slide))
        page.locator("#status", has_text=f"{slide.name}: ").wait_for()
        assert page.locator("#panel-2").is_hidden()
        page.select_option("#model", label="other")
        page.locator("#name", has_text="other").wait_for()
        page.locator("#result").wait_for()
        assert page.locator("#rows button").all_inner_texts() == top(two)
        page.select_option("#other", label="other")  # itself: no comparison
        assert page.locator("#panel-2").is_hidden()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_comparison_is_accessible(served: Server, slide: Path, view: View, viewer: Viewer) -> None:
    with viewer.open(served.url, view) as page:
        compare(page, slide)
        page.locator("#stage.with-slide").wait_for()
        page.locator("#stage-2.with-slide").wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        check_width(page)
        check_accessibility(page)
        if view == VIEWS[0]:
            keep(page, "page_two_models", whole=True, photo=True)
