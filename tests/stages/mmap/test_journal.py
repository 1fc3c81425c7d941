"""A build that was killed is gone on with: whole bags stay, and every byte is that of a build in one go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features.files import open_bag
from oceanpath.artifacts.store.reader import check, chunk_name, digest_content
from oceanpath.artifacts.store.source_files import file_digest
from oceanpath.pipeline.publish import PublishRequest, publish
from oceanpath.pipeline.stage import JOURNAL, Inputs, Quiet, Summary
from oceanpath.pipeline.workspace import PARTIAL, Workspace
from oceanpath.stages.mmap import build
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

from ...recording import recorded

ROOT = Path(__file__).resolve().parents[3]
SLIDES = 8
VICTIM = """
import os, signal, sys
from pathlib import Path
from tests.stages.mmap.test_journal import make
from oceanpath.stages.mmap.journal import Journal
left, add = [int(sys.argv[2])], Journal.add
def until(journal, number, digest):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    add(journal, number, digest)
    left[0] -= 1
Journal.add = until
make(Path(sys.argv[1]))
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Eight slides of several pages, in chunks of about three."""
    (tmp_path / "features").mkdir()
    for i in range(SLIDES):
        random = np.random.default_rng(i)
        with h5py.File(tmp_path / "features" / f"slide_{i}.h5", "w") as file:
            file["features"] = random.standard_normal((300 + i, 16)).astype(np.float16)
            file["coords"] = random.integers(0, 9999, (300 + i, 2)).astype(np.int32)
    return tmp_path


def make(top: Path, name: str = "out", *, replace: bool = False, **keys: object) -> Path:
    """Publish the store of a folder as the pipeline does, with one worker; returns its place."""
    folder, workspace = top / "features", Workspace(top / name)
    told = {path.name: file_digest(path) for path in folder.iterdir()}
    inputs = Inputs(files={"features": told}, earlier=workspace.earlier("mmap"))
    settings = MmapSettings(features=folder, chunk_gb=40e3 / 2**30, workers=1, **keys)
    identity = {"files": told, **{key: str(value) for key, value in keys.items()}}

    def work(out: Path) -> Summary:
        return run(settings, inputs, out, Quiet())

    order = PublishRequest("mmap", "stage", 1, identity, work, check, digest=digest_content, linked=inputs.earlier)
    publish(workspace, order, replace=replace)
    return workspace.folder("stage", "mmap", order.fingerprint)


def kill(top: Path, after: int) -> Path:
    """A build that is killed when the bag behind the first `after` is written; returns what it left."""
    command = [sys.executable, "-c", VICTIM, str(top), str(after)]
    died = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    return left(top)[0]


def left(top: Path) -> list[Path]:
    return sorted((top / "out" / "runs" / "mmap").glob(f".*{PARTIAL}"))


def contents(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files of which the bags are read."""
    names: list[str] = []
    monkeypatch.setattr(build, "open_bag", recorded(open_bag, lambda file: names.append(file.path.stem)))
    return names


def names(*numbers: int) -> list[str]:
    return [f"slide_{number}" for number in numbers]


def test_whole_bags_stay_and_the_result_is_that_of_one_go(top: Path, opened: list[str]) -> None:
    whole = contents(make(top, "whole"))
    kill(top, 3)
    kill(top, 2)  # goes on itself, and is killed again
    Workspace(top / "out").remove_unfinished()
    opened.clear()
    assert contents(make(top)) == whole
    assert opened == names(5, 6, 7)
    assert not left(top)


def cut_line(partial: Path) -> None:
    text = (partial / JOURNAL).read_bytes()
    (partial / JOURNAL).write_bytes(text[:-20])


def garbled_line(partial: Path) -> None:
    text = (partial / JOURNAL).read_bytes()
    (partial / JOURNAL).write_bytes(text[:-20] + bytes(20))


def flipped_feature(partial: Path) -> None:
    flip(partial / chunk_name("features", 1), 17)


def flipped_place(partial: Path) -> None:
    flip(partial / chunk_name("coords", 1), 17)


def no_chunk(partial: Path) -> None:
    (partial / chunk_name("features", 1)).unlink()


def short_chunk(partial: Path) -> None:
    os.truncate(partial / chunk_name("features", 1), 100)


def flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


DAMAGES = [cut_line, garbled_line, flipped_feature, flipped_place, no_chunk, short_chunk]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bag_that_is_not_what_the_journal_tells_is_written_again(damage, top: Path, opened: list[str]) -> None:
    whole = contents(make(top, "whole"))
    damage(kill(top, 4))
    opened.clear()
    assert contents(make(top)) == whole
    assert opened == names(3, 4, 5, 6, 7)  # slide 3 is the first of chunk 1 and the last of the journal


@pytest.mark.parametrize("why", ["another file", "another setting", "force"])
def test_a_build_of_anything_else_starts_anew_and_leaves_nothing(why: str, top: Path, opened: list[str]) -> None:
    kill(top, 4)
    if why == "another file":
        (top / "features" / "slide_0.h5").write_bytes((top / "features" / "slide_1.h5").read_bytes())
    make(top, replace=why == "force", **({"dtype": "float32"} if why == "another setting" else {}))
    assert opened == names(*range(SLIDES))
    assert not left(top)


def test_what_lies_there_of_another_plan_is_not_kept(top: Path, opened: list[str]) -> None:
    """The journal itself is held against the plan, however the folder came there."""
    whole = contents(make(top, "whole"))
    partial = kill(top, 4)
    text = (partial / JOURNAL).read_text()
    (partial / JOURNAL).write_text("0" * 32 + text[32:])
    (partial / "stray.bin").write_bytes(b"stray")
    opened.clear()
    assert contents(make(top)) == whole
    assert opened == names(*range(SLIDES))


def test_a_growing_build_goes_on_behind_the_chunks_it_links(top: Path, opened: list[str]) -> None:
    held = [(top / "features" / f"slide_{i}.h5").rename(top / f"held_{i}") for i in (5, 6, 7)]
    first = contents(make(top))
    for i, path in zip((5, 6, 7), held, strict=True):
        path.rename(top / "features" / f"slide_{i}.h5")
    kill(top, 1)
    opened.clear()
    grown = make(top)
    assert opened == names(6, 7)
    assert digest_content(grown) == digest_content(make(top, "whole"))
    before = next(path for path in grown.parent.iterdir() if path.name[0] != "." and path != grown)
    assert contents(before) == first
