"""Pages of the ledger in a browser, also during a run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanpath.pipeline.ledger import Ledger

from ..conftest import MAIN
from ..serving.conftest import free_port
from .conftest import REASON, VIEWS, View, Viewer, check_accessibility, check_width, keep

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture(scope="module")
def workspace(quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger and the evaluation of the quickstart, copied, because a run is added."""
    folder = tmp_path_factory.mktemp("ledger")
    shutil.copy(quickstart / "ledger.sqlite", folder)
    shutil.copytree(quickstart / "runs" / "eval", folder / "runs" / "eval")
    return folder


@pytest.fixture(scope="module")
def url(workspace: Path) -> Iterator[str]:
    """The address of `oceanpath ledger serve`."""
    port = free_port()
    command = [sys.executable, "-c", MAIN, "ledger", "serve", "--workspace", str(workspace), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None and f"http://127.0.0.1:{port}" in server.stderr.readline()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/style.css", timeout=10).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.communicate(timeout=60)


def last_run(workspace: Path) -> int:
    with Ledger(workspace / "ledger.sqlite", read_only=True) as ledger:
        rows = ledger.rows("SELECT MAX(id) AS id FROM run")
    return int(rows[0]["id"])


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_page_is_accessible_and_fits_the_window(url: str, workspace: Path, view: View, viewer: Viewer) -> None:
    run = last_run(workspace)
    pages = {"experiments": "", "run": f"/runs/{run}", "comparison": f"/comparison?a={run - 1}&b={run}"}
    for name, path in pages.items():
        with viewer.open(url + path, view) as page:
            check_width(page)
            check_accessibility(page)
            if view.scheme == "light":
                keep(page, f"ledger_{name}" if view.width == VIEWS[0].width else f"ledger_{name}_phone")


def test_a_run_under_way_is_shown_live(url: str, workspace: Path, viewer: Viewer) -> None:
    with Ledger(workspace / "ledger.sqlite") as ledger:
        run = ledger.start_run("live", "live.toml", "run live.toml")
        step = ledger.add_step(run, "train", {}, position=0, stage="train")
        with viewer.open(f"{url}/runs/{run}") as page:
            page.locator("#steps .running").wait_for()
            ledger.add_part(step, "0", "f" * 32, "ok", 1.0)
            page.locator("#steps", has_text="1 parts ok").wait_for()
            check_accessibility(page)
            ledger.end_step(step, state="ok", seconds=2.0)
            ledger.end_run(run, "ok")
            page.locator("h1 + p .ok").wait_for()
            assert page.locator("#steps .ok").count() == 1
            viewer.problems = [line for line in viewer.problems if not line.endswith("/events")]  # closed at the end
