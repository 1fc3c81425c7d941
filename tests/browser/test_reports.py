"""Reports of every kind of task in a browser: accessible, as wide as the window, and printed on A4."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.cli.app import run_app

from .conftest import REASON, VIEWS, View, Viewer, check_accessibility, check_print, check_width, keep

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
SLIDES, PATCHES, DIM = 72, 24, 8
TASKS = {
    "three_classes": 'label = "grade"\nclasses = ["low", "middle", "high"]\n',
    "ordinal": 'task = "ordinal"\nlabel = "grade"\nclasses = ["low", "middle", "high"]\n',
    "multilabel": 'task = "multilabel"\ntargets = ["egfr", "kras", "tp53"]\n',
    "survival": 'task = "survival"\ntime = "months"\nevent = "death"\nevent_value = 1\ntime_unit = "months"\n',
    "regression": 'label = "age"\ntask = "regression"\n',
}
REST = """
[mmap]
[split]
folds = 2
val_fraction = 0.3
balance = ["sex"]
[audit]
[model]
hidden = 4
attention = 4
[train]
epochs = 2
[eval]
resamples = 100
subgroups = ["sex"]
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of 72 slides of 36 patients with labels for every task."""
    folder, random = tmp_path_factory.mktemp("reports"), np.random.default_rng(0)
    (folder / "features").mkdir()
    rows = []
    for i in range(SLIDES):
        patient = i // 2
        grade = patient % 3
        with h5py.File(folder / "features" / f"slide_{i:03d}.h5", "w") as file:
            file["features"] = (random.standard_normal((PATCHES, DIM)) + 0.4 * grade).astype(np.float16)
            file["coords"] = 256 * np.stack([np.arange(PATCHES) % 6, np.arange(PATCHES) // 6], axis=1)
        labels = [["low", "middle", "high"][grade], int(grade > 0), patient % 2, int(patient % 5 < 2)]
        survival = [f"{60 / (grade + 1) + patient % 7:.1f}", int(patient % 4 > 0)]
        rows.append([f"slide_{i:03d}", f"patient_{patient}", *labels, *survival, 40 + 10 * grade, "fm"[patient % 2]])
    with (folder / "cohort.csv").open("w") as table:
        head = "slide_id,case_id,grade,egfr,kras,tp53,months,death,age,sex"
        csv.writer(table).writerows([head.split(","), *rows])
    return folder


@pytest.fixture(scope="module", params=["quickstart", *TASKS])
def report(request: pytest.FixtureRequest, workspace: Path, quickstart: Path) -> Iterator[tuple[str, Path]]:
    """The task and its report."""
    name, path = str(request.param), workspace / f"{request.param}.html"
    if name in TASKS:
        data = '[data]\nfeatures = "features"\nlabels = "cohort.csv"\npatient_id = "case_id"\n'
        (workspace / f"{name}.toml").write_text(data + TASKS[name] + REST)
        run = ["run", str(workspace / f"{name}.toml"), "--workspace", str(workspace / "out")]
        assert run_app(run) == 0
    made_in = workspace / "out" if name in TASKS else quickstart
    assert run_app(["report", name, "--workspace", str(made_in), "--out", str(path)]) == 0
    yield name, path


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_report_is_accessible_and_fits_the_window(report: tuple[str, Path], view: View, viewer: Viewer) -> None:
    name, path = report
    with viewer.open(path.as_uri(), view) as page:
        check_width(page)
        check_accessibility(page)
        if (name, view.scheme) == ("quickstart", "light"):
            keep(page, "report" if view.width == VIEWS[0].width else "report_phone")


def test_a_report_is_printed_on_a4(report: tuple[str, Path], viewer: Viewer) -> None:
    with viewer.open(report[1].as_uri()) as page:
        check_print(page)


def test_the_keyboard_reaches_sections_and_tables(report: tuple[str, Path], viewer: Viewer) -> None:
    with viewer.open(report[1].as_uri()) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.getAttribute('href')") == "#question"
        scrolling = page.locator(".scroll")
        assert scrolling.count() > 0
        assert all(scrolling.nth(i).get_attribute("tabindex") == "0" for i in range(scrolling.count()))
