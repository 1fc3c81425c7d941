"""The projects in which files are damaged, each brought to the state from which its trials start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.store.writer import StoreWriter
from oceanpath.cli.app import run_app
from oceanpath.stages.mmap.build import Build

from ..conftest import Cohort

STUDY = """
[model]
name = "static"
[train]
epochs = 1
[eval]
resamples = 100
[export]
parity_patches = [1, 7]
parity_batches = [1]
[runtime]
device = "cpu"
"""
SLIDES = """
name = "slides"
[demo]
slides = 6
side_px = 1024
[extract]
encoder = "hed_stats"
[curate]
sources = ["other"]
min_patches = 1
[mmap]
[runtime]
device = "cpu"
"""


def run(top: Path, *more: str) -> int:
    """Run the project's experiment."""
    return run_app(["run", str(top / "e.toml"), "--workspace", str(top / "out"), "--quiet", *more])


def prepare(top: Path, more: str = "") -> Cohort:
    """A cohort whose bags fill their pages to the last byte, and an experiment on it."""
    cohort, noise = Cohort(top), np.random.default_rng(1)
    for name in cohort.names():
        cohort.put(name, noise.standard_normal((256, 8)).astype(np.float16))
        os.utime(cohort.file(name), (1e9, 1e9))  # long ago, so that its digest is remembered
    (top / "e.toml").write_text(f'name = "study"\n{cohort.toml}{STUDY}{more}')
    return cohort


def study(top: Path, to: str = "export", more: str = "") -> Cohort:
    """A cohort and its experiment, up to a stage."""
    cohort = prepare(top, more)
    assert run(top, "--to", to) == 0
    return cohort


def whole(top: Path) -> None:
    """Everything is there, and the ledger knows of two runs."""
    study(top)
    assert run(top) == 0


def adopted(top: Path) -> None:
    """A store that reads features in their own files."""
    study(top, "mmap")
    (top / "e.toml").write_text((top / "e.toml").read_text().replace("[mmap]\n", '[mmap]\nmode = "adopt"\n'))
    assert run(top, "--to", "split") == 0


def grown(top: Path) -> None:
    """One slide came after the store was built."""
    study(top, "mmap").put("slide_99", np.ones((30, 8), np.float16))


def killed(top: Path) -> None:
    """A build of the store was killed after half of its bags."""
    written, put = [0], Build._put

    def stop(build: Build, number: int, writer: StoreWriter) -> str:
        written[0] += 1
        if written[0] > 8:
            raise KeyboardInterrupt
        return put(build, number, writer)

    prepare(top, "workers = 1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Build, "_put", stop)
        assert run(top, "--to", "mmap") == 130
    (left,) = (top / "out/runs/mmap").glob(".*.partial")
    left.rename(left.with_name(left.name.replace(f".{os.getpid()}-", ".999999999-")))


def parts(top: Path) -> None:
    """The folds are fitted, and not gathered."""
    shutil.rmtree(top / "out/runs/train")


def variants(top: Path) -> None:
    """Two variants are trained, and wait to be compared."""
    with (top / "e.toml").open("a") as file:
        file.write('[[variant]]\nname = "other"\ntrain.lr = 0.01\n')
    assert run(top, "--to", "train") == 0


def slides(top: Path) -> None:
    """From slides to a store."""
    (top / "e.toml").write_text(SLIDES)
    assert run(top) == 0


def slide_parts(top: Path) -> None:
    """The slides are extracted, and neither gathered nor in a store: `mmap` reads their files."""
    shutil.rmtree(top / "out/runs/extract")
    shutil.rmtree(top / "out/runs/mmap")


STATES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "study": ("", whole),
    "adopted": ("", adopted),
    "grown": ("", grown),
    "killed": ("", killed),
    "parts": ("study", parts),
    "variants": ("study", variants),
    "slides": ("", slides),
    "slide parts": ("slides", slide_parts),
}
"""State → the state that it begins with, and what brings it there."""
