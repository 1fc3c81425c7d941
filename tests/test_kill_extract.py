"""Extraction into a folder that is killed at any moment: whatever lies there is whole, and the same command goes on.

OCEANPATH_KILLS says how many kills to try; ``nox -s kills`` tries twenty.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from oceanpath.artifacts.features.files import find_features
from oceanpath.slides.demo.aperio import write_aperio

KILLS = int(os.environ.get("OCEANPATH_KILLS", "3"))
SLIDES = 24


WORDS = b"interrupted: finished results are kept; run the same command again to continue\n"


def start(folder: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    code = "from oceanpath.cli import main; main()"
    keys = ["--encoder", "hed_stats", "--set", "extract.patch_px=64", "--set", "extract.min_tissue=0", "--quiet"]
    command = [sys.executable, "-c", code, "extract", "--slides", "slides", "--out", out, *keys, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, cwd=folder, env=environment, start_new_session=True)


def finish(folder: Path, out: str) -> float:
    """Seconds that an undisturbed run takes."""
    started = time.monotonic()
    process = start(folder, out)
    _, error = process.communicate(timeout=280)
    assert process.returncode == 0, error.decode()
    return time.monotonic() - started


def features(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.h5")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], float]:
    """The folder of the slides, the bytes of their features, and how long an undisturbed run takes."""
    folder = tmp_path_factory.mktemp("kill")
    (folder / "slides").mkdir()
    for seed in range(SLIDES):
        noise = np.random.default_rng(seed).integers(60, 200, (64, 64, 3)).astype(np.uint8)
        write_aperio(folder / "slides" / f"s{seed:02d}.svs", noise.repeat(8, 0).repeat(8, 1), 0.5)
    seconds = finish(folder, "undisturbed")
    return folder, features(folder / "undisturbed"), seconds


def test_whatever_lies_there_is_whole(undisturbed: tuple[Path, dict[str, bytes], float]) -> None:
    folder, wanted, seconds = undisturbed
    assert len(wanted) == SLIDES
    moments, died, between = random.Random(0), 0, set[int]()
    for number in range(KILLS):
        process, enough = start(folder, "out"), SLIDES * number // KILLS
        while process.poll() is None and len(features(folder / "out")) < enough:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 2 * seconds / SLIDES))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            died += 1
        process.communicate()
        here = features(folder / "out")
        assert here == {name: wanted[name] for name in here}
        between.add(len(here))
    finish(folder, "out")
    assert features(folder / "out") == wanted
    assert sorted(find_features(folder / "out")) == sorted(Path(name).stem for name in wanted)
    print(f"{died} of {KILLS} runs were killed, with {sorted(between)} of {SLIDES} files there; all were whole")
    assert died > KILLS // 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_terminated_extraction_says_so_leaves_nothing_and_continues(undisturbed, jobs: str) -> None:
    folder, wanted, _ = undisturbed
    out = f"terminated-{jobs}"
    process = start(folder, out, "--jobs", jobs)
    while process.poll() is None and not features(folder / out):
        time.sleep(0.002)
    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    _, error = process.communicate(timeout=30)
    assert process.returncode == 143
    assert error.endswith(WORDS)
    psutil.wait_procs(family, timeout=5)
    assert not [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    assert 0 < len(features(folder / out)) < SLIDES
    finish(folder, out)
    assert features(folder / out) == wanted
    left = [path for path in (folder / out).rglob(".*") if path.name != ".oceanpath"]
    assert [path for path in left if path.name.endswith(".partial")] == []
