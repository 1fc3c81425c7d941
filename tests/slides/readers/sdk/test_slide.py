"""Slides read through an SDK: their pixels, the errors of the SDK, and its isolation from this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import ArtifactError, MissingExtraError, OceanPathError, StageError
from oceanpath.slides.engine.reader_pool import ReaderPool, ReadRequest
from oceanpath.slides.grid import plan_grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import SlideReader, open_slide

from . import stub


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = stub.install(tmp_path_factory.mktemp("library"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def slide(library: Path) -> Iterator[SlideReader]:
    (library / "good é.kfb").write_text("answers")
    with open_slide(library / "good é.kfb") as reader:
        yield reader


def moody(tmp_path: Path, mood: str) -> Path:
    path = tmp_path / "moody.kfb"
    path.write_text(mood)
    return path


PLACE = st.integers(-80, stub.SIDE + 40)


@settings(deadline=None, max_examples=40)
@given(x=PLACE, y=PLACE, width=st.integers(1, 90), height=st.integers(1, 90), level=st.integers(0, 1))
def test_regions_are_the_slides_pixels_and_white_around_it(
    slide: SlideReader, x: int, y: int, width: int, height: int, level: int
) -> None:
    step = int(slide.level_downsamples[level])
    margin = 200
    around = np.pad(stub.seen()[::step, ::step], ((margin, margin), (margin, margin), (0, 0)), constant_values=255)
    left, top = (margin + int(np.floor(value / step + 0.5)) for value in (x, y))
    rows = slice(min(top, len(around)), top + height)
    expected = np.full((height, width, 3), 255, np.uint8)
    part = around[rows, left : left + width]
    expected[: part.shape[0], : part.shape[1]] = part
    assert np.array_equal(slide.read(x, y, level, width, height), expected)


def test_levels_resolution_and_reader_are_reported(slide: SlideReader) -> None:
    assert (slide.reader, slide.reader_reason) == (stub.NAME, "a .kfb slide")
    assert slide.level_sizes == ((1024, 1024), (256, 256)) and slide.level_downsamples == (1.0, 4.0)
    assert (slide.mpp.x, slide.mpp.y, slide.mpp.source) == (0.5, 0.5, "kfb.mpp")
    assert "kfbslide" not in sys.modules


def test_threads_receive_their_own_regions(slide: SlideReader) -> None:
    places = [(x, y) for x in range(0, 1024, 128) for y in range(0, 1024, 128)]
    with ThreadPoolExecutor(4) as pool:
        result = list(pool.map(lambda place: slide.read(place[0], place[1], 0, 64, 64), places))
    assert all(
        np.array_equal(each, stub.seen()[y : y + 64, x : x + 64]) for each, (x, y) in zip(result, places, strict=True)
    )


def test_reader_processes_open_the_slide_too(library: Path, tmp_path: Path) -> None:
    path = moody(tmp_path, "answers")
    with open_slide(path) as reader:
        grid = plan_grid(reader, 64, 0.5)
        coords = np.array([[x, 256] for x in range(0, 640, 64)], np.int32)
        expected = read_patches(reader, grid, coords)
    ring = ReaderPool(1, (8, 64, 64, 3))
    try:
        result = [batch.copy() for batch in ring.batches(ReadRequest(path, partial(open_slide, path), grid, coords))]
    finally:
        ring.close()
    assert np.array_equal(np.concatenate(result)[:10], expected)


@pytest.mark.parametrize(
    ("mood", "kind", "says"),
    [
        ("raises open", ArtifactError, "cannot open this file.*no tile index.*extract.exclude"),
        ("raises read", ArtifactError, "pixels cannot be decoded.*no tile index"),
        ("short", ArtifactError, "pixels cannot be decoded.*the library returned uint8"),
        ("dies open", StageError, "ended unexpectedly while reading this slide; got SIGSEGV"),
        ("dies read", StageError, "ended unexpectedly while reading this slide; got SIGSEGV"),
        ("leaves read", StageError, "ended unexpectedly while reading this slide; got exit 7"),
        ("surprises read", StageError, "ended unexpectedly while reading this slide; got exit 1.*nobody expects this"),
        ("babbles read", StageError, "sent an invalid reply"),
        ("forges read", StageError, "sent an invalid reply while reading this slide; got 1 bytes instead of 12288"),
    ],
)
def test_an_error_names_slide_and_package(
    library: Path, tmp_path: Path, mood: str, kind: type[OceanPathError], says: str
) -> None:
    with pytest.raises(kind, match=rf"moody\.kfb: .*{says}") as reported, open_slide(moody(tmp_path, mood)) as reader:
        reader.read(0, 0, 0, 64, 64)
    assert "kfbslide" in str(reported.value) or kind is ArtifactError


@pytest.mark.parametrize("mood", ["hangs open", "hangs read", "clings read"])
def test_a_hanging_process_is_killed(library: Path, tmp_path: Path, mood: str) -> None:
    began = time.monotonic()
    says = (
        rf"moody\.kfb: {stub.NAME} timed out while reading this slide; got no answer within 1 s.*extract.vendor_limit_s"
    )
    with pytest.raises(StageError, match=says), open_slide(moody(tmp_path, mood), limit_s=1) as reader:
        reader.read(0, 0, 0, 64, 64)
    assert time.monotonic() - began < 20


def test_after_a_fault_every_read_raises_it(library: Path, tmp_path: Path) -> None:
    with open_slide(moody(tmp_path, "dies read")) as reader:
        for _ in range(2):
            with pytest.raises(StageError, match="SIGSEGV"):
                reader.read(0, 0, 0, 64, 64)


def test_a_library_that_cannot_be_loaded_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stub.install(tmp_path / "library")
    (folder / "kfbslide/__init__.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(MissingExtraError, match=rf"{stub.NAME} cannot be loaded; got No module named 'a_library"):
        open_slide(moody(tmp_path, "answers"))


@pytest.mark.parametrize("mood", ["answers", "hangs read", "clings read"])
def test_no_process_outlives_the_run(library: Path, tmp_path: Path, mood: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(library)!r})\nfrom pathlib import Path\n"
        "from oceanpath.slides.reader import open_slide\n"
        f"slide = open_slide(Path({str(moody(tmp_path, mood))!r}), limit_s=20)\n"
        "print(slide._handle._process.pid, flush=True)\n"
        "slide.read(0, 0, 0, 64, 64)\nsys.stdin.read()\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None and owner.stdin is not None
    child = int(owner.stdout.readline())
    time.sleep(0.3)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    owner.stdin.close()
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
