"""Chromium, and the checks that every page passes. `nox -s browser` installs what they need."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REASON = "" if os.environ.get("OCEANPATH_BROWSER") else "run by `nox -s browser`"
SCREENSHOTS = os.environ.get("OCEANPATH_SCREENSHOTS", "")
"""Folder of the screenshots of the documentation; empty: none are written."""
PHOTO_PX = 1000
"""Width of a photo of the documentation."""
A4_PX = 688
"""Width of the text of an A4 page with margins of 14 mm, at 96 pixels per inch."""


@dataclass(frozen=True)
class View:
    """A size of the window and a colour scheme."""

    width: int
    scheme: str

    @property
    def name(self) -> str:
        """For the names of tests and files."""
        return f"{self.width}_{self.scheme}"


VIEWS = [View(width, scheme) for width in (1400, 390) for scheme in ("light", "dark")]


@dataclass
class Viewer:
    """Opens pages in one browser and records their problems."""

    browser: Browser
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def open(self, url: str, view: View = VIEWS[0]) -> Iterator[Page]:
        """A page; errors of its scripts, blocked content and failed requests are problems."""
        scheme: Any = view.scheme
        self.problems.clear()
        context = self.browser.new_context(
            viewport={"width": view.width, "height": 900}, color_scheme=scheme, accept_downloads=True
        )
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))
        page.on("requestfailed", lambda request: self.problems.append(f"request: {request.url}"))
        page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        page.goto(url)
        yield page
        context.close()
        assert not self.problems, self.problems


def check_accessibility(page: Page) -> None:
    """No violation of the rules of axe-core."""
    from axe_playwright_python.sync_playwright import Axe

    found = [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {[node['target'] for node in rule['nodes']][:4]}"
        for rule in Axe().run(page).response["violations"]
    ]
    assert not found, found


def check_width(page: Page) -> None:
    """Nothing is wider than the window, except for parts that scroll on their own."""
    wide = page.evaluate("""() => document.documentElement.scrollWidth <= innerWidth ? [] :
        [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
            .map((node) => node.tagName + "." + node.className).slice(0, 5)""")
    assert not wide, wide


def check_print(page: Page) -> None:
    """On A4, nothing is wider than the paper, and the text is in the PDF."""
    page.emulate_media(media="print", color_scheme="light")
    page.set_viewport_size({"width": A4_PX, "height": 970})
    cut = page.evaluate("""() => [...document.querySelectorAll("main *")]
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
        .map((node) => node.tagName + ": " + node.textContent.slice(0, 40)).slice(0, 5)""")
    assert not cut, cut
    assert page.pdf(format="A4").startswith(b"%PDF")


def keep(page: Page, name: str, *, whole: bool = False, photo: bool = False) -> None:
    """Write a page, or its visible part, if screenshots were asked for: with 128 colours, or a `photo` as JPEG."""
    if not SCREENSHOTS:
        return
    picture = Image.open(io.BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    if photo:
        picture.thumbnail((PHOTO_PX, 10 * PHOTO_PX))
        picture.save(Path(SCREENSHOTS) / f"{name}.jpg", quality=82, optimize=True)
    else:
        picture.quantize(128, dither=Image.Dither.NONE).save(Path(SCREENSHOTS) / f"{name}.png", optimize=True)


@pytest.fixture(scope="package")
def viewer() -> Iterator[Viewer]:
    """Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Viewer(browser)
        browser.close()
