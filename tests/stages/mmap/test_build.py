"""A store whose building or growing is killed, or refused by the disk, at any system call: the old store or none.

What is there reads as it did, and the same command then gives the bytes that it gives undisturbed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace

from ...breaking import ALL, CALLS, KINDS, TRIED, Victim, break_everywhere, hold, needs_strace
from ...narrowing import required

CODE = """
import sys
from pathlib import Path
from tests.stages.mmap.test_build import build
code = build(Path(sys.argv[1]))
sys.exit(f"told: {code}" if code else 0)
"""
TOML = 'name = "cut"\n[data]\nfeatures = "features"\n[mmap]\nmode = "{}"\n[runtime]\nworkers = 1\n'
KEY_CALLS = ("pwrite64", "rename", "link")
"""Writing a bag, publishing, and taking over a chunk: what is tried where not everything is."""
Bags = dict[str, bytes]


def build(folder: Path) -> int:
    """Build the store of a folder; returns the exit code. One worker: all is written from one thread."""
    return run_app(["mmap", "-e", str(folder / "oceanpath.toml"), "--workspace", str(folder / "out"), "--quiet"])


def put(folder: Path, name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
        file["features"] = random.standard_normal((20 + seed, 4)).astype(np.float16)
        file["coords"] = random.integers(0, 9999, (20 + seed, 2)).astype(np.int32)


def bags(place: Path) -> Bags:
    store = Store(place, check=True)
    return {
        name: store.features(i).tobytes() + required(store.coords(i)).tobytes()
        for i, name in enumerate(store.slide_ids)
    }


def stores(folder: Path) -> list[Bags]:
    """What the published stores read as, the smaller first; each whole."""
    hold(folder)
    return sorted((bags(place) for place in maintenance.published(Workspace(folder / "out"))), key=len)


def outputs(folder: Path) -> dict[str, bytes]:
    """The files of the store that the experiment uses; beside it no unfinished one is left."""
    (link,) = maintenance.links(Workspace(folder / "out"))
    assert not list(folder.glob("out/runs/*/.*"))
    return {path.name: path.read_bytes() for path in sorted(link.resolve().iterdir()) if path.is_file()}


def first(mode: str, _top: Path) -> Victim:
    """A store of two slides where there was none."""

    def project(folder: Path) -> Path:
        (folder / "features").mkdir(parents=True)
        (folder / "oceanpath.toml").write_text(TOML.format(mode))
        put(folder, "a", 1)
        put(folder, "b", 2)
        return folder

    wanted = {"a": 1, "b": 2}

    def none_or_all(folder: Path) -> None:
        assert [sorted(found) for found in stores(folder)] in ([], [sorted(wanted)])

    return Victim(CODE, project, outputs, none_or_all, build)


def grown(mode: str, top: Path) -> Victim:
    """A store of two slides that grows by a third and links what it has."""
    begun = first(mode, top)
    base = begun.project(top / "base")
    begun.whole(base)
    (old,) = stores(base)
    put(base, "c", 3)

    def project(folder: Path) -> Path:
        return Path(shutil.copytree(base, folder, symlinks=True))

    def old_or_both(folder: Path) -> None:
        before, *after = stores(folder)
        assert before == old
        assert all({name: bag for name, bag in new.items() if name != "c"} == old for new in after)
        assert [sorted(new) for new in after] in ([], [["a", "b", "c"]])

    return Victim(CODE, project, outputs, old_or_both, build)


@needs_strace
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["copy", "adopt"] if ALL else ["copy"])
@pytest.mark.parametrize("history", [first, grown] if ALL else [grown])
@pytest.mark.parametrize("call", (*CALLS, "link") if ALL else KEY_CALLS)
def test_the_old_store_or_none_and_then_the_wanted_one(call: str, history, mode: str, tmp_path: Path) -> None:
    if (call, history) == ("link", first):
        pytest.skip("a first store has nothing to link")
    break_everywhere(history(mode, tmp_path), call, tmp_path, TRIED if ALL else KINDS[:1])
