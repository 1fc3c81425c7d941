"""`oceanpath mmap` as a user meets it: adopting, growing, verifying."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.store.reader import PAGE, Store
from oceanpath.cli.app import run_app
from oceanpath.stages.mmap import work
from oceanpath.stages.mmap.cohort import find_cohort

from ..conftest import Cohort


def mmap(cohort: Cohort, *more: str) -> int:
    (cohort.folder / "oceanpath.toml").write_text(cohort.toml)
    return run_app(
        ["mmap", "-e", str(cohort.folder / "oceanpath.toml"), "--workspace", str(cohort.folder / "out"), *more]
    )


def store(cohort: Cohort) -> Path:
    return (cohort.folder / "out" / "experiments" / "oceanpath" / "mmap").resolve()


def digest(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_text())["digest"])


def flip(path: Path, at: int) -> None:
    state = path.stat()
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_a_flipped_byte_is_found_and_named(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    assert mmap(cohort, "--verify") == 2
    assert "oceanpath mmap" in capsys.readouterr().err
    assert mmap(cohort) == 0
    assert mmap(cohort, "--verify") == 0
    assert "16 slides, all bags match their digests" in capsys.readouterr().out
    chunk = store(cohort) / "features_000.bin"
    flip(chunk, 14 * PAGE + 5)
    assert mmap(cohort, "--verify") == 4
    said = capsys.readouterr().err
    assert "1 bags differ from their digests" in said
    assert "slide_14" in said
    assert mmap(cohort, "--verify", "--json") == 4
    assert json.loads(capsys.readouterr().out)["slides"] == 16
    assert mmap(cohort, "--force", "mmap") == 0
    assert mmap(cohort, "--verify") == 0


def test_verified_reading_is_asked_for_without_writing_or_retraining(cohort: Cohort) -> None:
    assert mmap(cohort) == 0
    before = store(cohort)
    cohort.toml = cohort.toml.replace("[mmap]", "[mmap]\nverify = true")
    assert mmap(cohort) == 0
    after = store(cohort)
    assert after != before
    assert digest(after) == digest(before)
    assert (after / "features_000.bin").samefile(before / "features_000.bin")


def test_an_adopting_store_names_the_file_that_changed(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    cohort.toml = cohort.toml.replace("[mmap]", '[mmap]\nmode = "adopt"')
    assert mmap(cohort) == 0
    assert "16 slides referenced" in capsys.readouterr().err
    assert not list(store(cohort).glob("features_*.bin"))
    assert mmap(cohort, "--verify") == 0
    assert run_app(["ledger", "verify", "--workspace", str(cohort.folder / "out"), "--deep"]) == 0
    flip(cohort.file("slide_07"), -5)
    assert mmap(cohort, "--verify") == 4
    assert "slide_07.h5" in capsys.readouterr().err


def test_a_growing_cohort_links_what_it_has(cohort: Cohort, tmp_path: Path) -> None:
    assert mmap(cohort) == 0
    first = store(cohort)
    cohort.put("slide_99", np.ones((30, 8), np.float16))
    assert mmap(cohort) == 0
    second = store(cohort)
    assert (first / "features_000.bin").samefile(second / "features_000.bin")
    assert len(Store(second)) == 17
    assert run_app(["ledger", "verify", "--workspace", str(cohort.folder / "out"), "--deep"]) == 0
    assert mmap(cohort, "--force", "mmap") == 0
    assert store(cohort) == second
    assert not (first / "features_000.bin").samefile(second / "features_000.bin")
    (cohort.folder / "out").rename(tmp_path / "old")
    grown = digest(tmp_path / "old" / "runs" / "mmap" / second.name)
    assert mmap(cohort) == 0
    assert digest(store(cohort)) == grown


def test_a_full_disk_while_growing_leaves_the_old_store_as_it_was(
    cohort: Cohort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mmap(cohort) == 0
    before = store(cohort)
    cohort.put("slide_99", np.ones((30, 8), np.float16))

    def full(handle: int, data: memoryview, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert mmap(cohort) == 3
    assert "No space left" in capsys.readouterr().err
    assert store(cohort) == before
    assert mmap(cohort, "--verify") == 0
    assert not list((cohort.folder / "out").rglob("*.partial"))
    assert mmap(cohort) == 0
    assert len(Store(store(cohort))) == 17


def test_a_manifest_beside_the_experiment_limits_the_store(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    assert mmap(cohort) == 0
    whole = store(cohort)
    (cohort.folder / "some.csv").write_text("slide_id\nslide_02\nslide_05\n")
    cohort.toml = cohort.toml.replace("[mmap]", '[mmap]\nmanifest = "some.csv"')
    assert mmap(cohort) == 0
    assert Store(store(cohort)).slide_ids == ["slide_02", "slide_05"]
    assert "14 files are not in the manifest" in capsys.readouterr().err
    (cohort.folder / "some.csv").write_text("slide_id\nslide_02\nslide_99\n")
    assert mmap(cohort) == 2
    assert "slide_99" in capsys.readouterr().err
    cohort.toml = cohort.toml.replace('manifest = "some.csv"', "")
    assert mmap(cohort) == 0
    assert store(cohort) == whole


def test_a_file_that_changes_while_the_store_is_begun_is_refused_and_then_taken(
    cohort: Cohort, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sorted((cohort.folder / "features").rglob("*.h5"))[3]

    def meddling(*given: Any) -> Any:
        with h5py.File(file, "r+") as opened:
            opened["features"][0] = 0
        os.utime(file, ns=(1, 1))
        return find_cohort(*given)

    monkeypatch.setattr(work, "find_cohort", meddling)
    assert mmap(cohort) == 4
    said = capsys.readouterr().err
    assert "changed during this run" in said
    assert file.name in said
    monkeypatch.undo()
    assert mmap(cohort) == 0
    made = Store(store(cohort))
    assert not made.features(made.number(file.stem))[0].any()
