"""What several test folders share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import settings

from oceanpath.artifacts.store.bfloat16 import as_stored
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.store.writer import StoreLayout, StoreWriter
from oceanpath.cli.app import run_app

# The same examples everywhere: a failure on another machine can be repeated here.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
# A shell that starts tests in the background lets them, and what they start, ignore Ctrl-C; some of them are about it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


SHARED = ("damage", "serving")
"""Folders whose tests share what is made once per process."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests for parallel processes; groups with slow tests come first, so that the processes end together."""
    slow = {*SHARED, "quickstart", *(_group(item) for item in items if item.get_closest_marker("slow"))}
    items.sort(key=lambda item: _group(item) not in slow)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse versions that do not group: pytest-xdist 3.8 with pytest 9.2 makes the same fixtures in every process."""
    grouped = all(item.nodeid.endswith(f"@{_group(item)}") for item in session.items)
    if getattr(session.config.option, "loadgroup", False) and not grouped:
        raise pytest.UsageError("pytest-xdist does not group tests; install the versions of the extra dev")


def _group(item: pytest.Item) -> str:
    """Tests of one process: those of a folder in `SHARED`, those with the quickstart, or those of a file."""
    if "quickstart" in getattr(item, "fixturenames", ()):
        return "quickstart"
    path = item.path.relative_to(ROOT / "tests").as_posix()
    return next((folder for folder in SHARED if path.startswith(f"{folder}/")), path)


MAIN = "from oceanpath.cli import main; main()"


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of a finished quickstart: the one OCEANPATH_QUICKSTART names, or one made now."""
    made = os.environ.get("OCEANPATH_QUICKSTART")
    if made:
        return Path(made)
    workspace = tmp_path_factory.mktemp("quickstart") / "outputs"
    file = str(ROOT / "experiments" / "quickstart.toml")
    subprocess.run([sys.executable, "-c", MAIN, "run", file, "--workspace", str(workspace)], check=True)
    return workspace


def bare_seconds() -> float:
    """Seconds that the start of a bare interpreter takes now: a thirtieth of one on an idle machine."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.monotonic() - began


COLUMNS = "slide_id,case_id,response"


class Cohort:
    """Sixteen slides of eight patients as a user would have them, and a way to spoil them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.table = folder, folder / "cohort.csv"
        (folder / "features").mkdir()
        random = np.random.default_rng(0)
        for name in self.names():
            self.put(name, random.standard_normal((20, 8)).astype(np.float16))
        self.rows = [f"{name},p{i // 2},{'R' if i % 4 < 2 else 'NR'}" for i, name in enumerate(self.names())]
        self.write_table()
        self.toml = '[data]\nfeatures = "features"\nlabels = "cohort.csv"\npatient_id = "case_id"\nlabel = "response"\n'
        self.toml += 'classes = ["NR", "R"]\n[mmap]\n[split]\nfolds = 2\nval_fraction = 0.3\n'

    @staticmethod
    def names() -> list[str]:
        return [f"slide_{i:02d}" for i in range(16)]

    def file(self, name: str = "slide_03") -> Path:
        return self.folder / "features" / f"{name}.h5"

    def put(self, name: str, features: np.ndarray) -> None:
        with h5py.File(self.file(name), "w") as file:
            file["features"] = features
            file["coords"] = np.arange(2 * len(features), dtype=np.int32).reshape(-1, 2)

    def write_table(self, head: str = COLUMNS, rows: list[str] | None = None) -> None:
        self.table.write_text("\n".join([head, *(self.rows if rows is None else rows)]) + "\n")

    def run(self, *more: str) -> int:
        (self.folder / "oceanpath.toml").write_text(self.toml)
        return run_app(["run", str(self.folder / "oceanpath.toml"), "--workspace", str(self.folder / "out"), *more])


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Ready features and a label table, with an experiment up to `split`."""
    return Cohort(tmp_path)


def write_store(
    path: Path,
    bags: Mapping[str, np.ndarray],
    coords: bool | Mapping[str, np.ndarray] = False,
    dtype: str = "float16",
    encoder: str = "random",
    **told: Any,
) -> Store:
    """A store of bags, sorted by name; patch i of a bag lies at (256 i, 512 i), or where `coords` has it.

    `told` are columns of its index that are to say something else.
    """
    path.mkdir(parents=True, exist_ok=True)
    names, dim = sorted(bags), next(iter(bags.values())).shape[1]
    layout = StoreLayout.of([len(bags[name]) for name in names], dim, dtype, bool(coords), chunk_bytes=2**20)
    writer, digests = StoreWriter(path, layout), []
    for i, name in enumerate(names):
        rows = np.arange(len(bags[name]), dtype=np.int32)
        places = coords[name] if isinstance(coords, Mapping) else np.stack([256 * rows, 512 * rows], axis=1)
        digests.append(writer.put(i, as_stored(bags[name], dtype), places if coords else None).encode())
    writer.close()
    index = layout.index(names, digests, layout.lengths.tolist(), [np.nan] * len(names), encoder)
    replace(index, **told).save(path)
    return Store(path)


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    """``make_store(bags, coords=False)``: a store of {slide_id: features [n, D]}."""

    def make(bags: Mapping[str, np.ndarray], coords: bool = False) -> Store:
        return write_store(tmp_path / f"store_{len(list(tmp_path.iterdir()))}", bags, coords)

    return make
