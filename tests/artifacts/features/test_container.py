"""Each reason why a file cannot be read has its own words and its own advice."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features import container as feature_container
from oceanpath.artifacts.features.files import FeatureMeta, read_features, scan_features, write_features
from oceanpath.artifacts.features.hdf5_library import LIBRARY
from oceanpath.errors import ArtifactError
from oceanpath.hdf5 import byte_runs

from ...narrowing import required

BAG = np.arange(96, dtype="f4").reshape(12, 8) + 1


def with_filter(path: Path, number: int, values: tuple[int, ...] = ()) -> Path:
    """Features in one chunk that claims to have gone through a filter."""
    with h5py.File(path, "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_chunk(BAG.shape)
        how.set_filter(number, h5py.h5z.FLAG_OPTIONAL, values)
        kept = h5py.h5d.create(file.id, b"features", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(BAG.shape), how)
        kept.write_direct_chunk((0, 0), zlib.compress(BAG.tobytes()), 0)
        file["coords"] = np.zeros((12, 2), "i4")
    return path


@pytest.fixture
def no_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A child that cannot import hdf5plugin, whether or not it is installed."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "hdf5plugin.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(str(tmp_path / "hidden"))
    LIBRARY.close()
    yield
    LIBRARY.close()


@pytest.mark.parametrize(
    ("number", "name", "do"),
    [
        (32015, "Zstandard", r'hdf5plugin: python -m pip install "oceanpath\[formats\]"'),
        (32001, "Blosc", "hdf5plugin"),
        (32004, "LZ4", "hdf5plugin"),
        (32008, "bitshuffle", "hdf5plugin"),
        (305, "LZO", "h5repack"),
        (32766, "unnamed", "h5repack"),
    ],
)
def test_a_missing_filter_is_named_with_what_brings_it(
    tmp_path: Path, no_plugins: None, number: int, name: str, do: str
) -> None:
    path = with_filter(tmp_path / "a.h5", number)
    says = rf"a filter that is not installed; got HDF5 filter {number} \({name}\)\. .*{do}"
    with pytest.raises(ArtifactError, match=rf"a\.h5: features is compressed with {says}") as told:
        scan_features(path)
    assert "damaged" not in str(told.value)


@pytest.mark.parametrize("how", ["Zstd", "Blosc", "Blosc2", "Bitshuffle", "LZ4"])
def test_filters_of_an_installed_hdf5plugin_are_used(tmp_path: Path, how: str) -> None:
    plugins = pytest.importorskip("hdf5plugin", reason="hdf5plugin (extra formats) is not installed")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", data=BAG, **getattr(plugins, how)())
    assert np.array_equal(read_features(scan_features(tmp_path / "a.h5"))[0], BAG)


def elsewhere(folder: Path, how: str) -> Path:
    """Features whose rows are in other files."""
    path = folder / "a.h5"
    with h5py.File(folder / "real.h5", "w") as file:
        file["features"] = BAG
    (folder / "real.bin").write_bytes(BAG.tobytes())
    with h5py.File(path, "w") as file:
        if how.startswith("virtual"):
            layout = h5py.VirtualLayout(BAG.shape, "f4")
            layout[:] = h5py.VirtualSource("real.h5" if "itself" not in how else ".", "/features", BAG.shape)
            file.create_virtual_dataset("features" if "itself" not in how else "feats", layout)
        else:
            file.create_dataset("features", BAG.shape, "f4", external=[("real.bin", 0, BAG.nbytes)])
    return path


@pytest.mark.parametrize("how", ["virtual", "external"])
@pytest.mark.parametrize("there", [True, False])
def test_rows_in_other_files_are_refused_and_missing_files_named(tmp_path: Path, how: str, there: bool) -> None:
    path = elsewhere(tmp_path, how)
    source = "real.h5" if how == "virtual" else "real.bin"
    if not there:
        (tmp_path / source).unlink()
    kind = {"virtual": "a virtual dataset", "external": "stored in external files"}[how]
    missing = "" if there else r" \(missing\)"
    with pytest.raises(ArtifactError, match=rf"features is {kind}; got rows in {source}{missing}\. Write the rows"):
        scan_features(path)


def test_a_virtual_dataset_of_its_own_file_is_refused_alike(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"feats is a virtual dataset; got rows in a\.h5"):
        scan_features(elsewhere(tmp_path, "virtual itself"))


HOLDS = """
import fcntl, sys, h5py
if sys.argv[2] == "flock":
    handle = open(sys.argv[1], "rb"); fcntl.flock(handle, fcntl.LOCK_EX)
else:
    handle = h5py.File(sys.argv[1], "r+", libver=sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def held() -> Iterator[Callable[[Path, str], None]]:
    started = []

    def hold(path: Path, how: str) -> None:
        command = [sys.executable, "-c", HOLDS, str(path), how]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert required(started[-1].stdout).readline() == "held\n"

    yield hold
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", ["flock", "earliest"])
def test_a_file_that_another_program_locked_is_read(
    tmp_path: Path, held: Callable[[Path, str], None], how: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", data=BAG, compression="lzf")  # only the library reads it
    held(tmp_path / "a.h5", how)
    assert np.array_equal(read_features(scan_features(tmp_path / "a.h5"))[0], BAG)


def test_a_file_that_is_open_for_writing_says_so(tmp_path: Path, held: Callable[[Path, str], None]) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:  # this format notes its writers
        file["features"] = BAG
    held(tmp_path / "a.h5", "latest")
    with pytest.raises(ArtifactError, match=r"a program has it open for writing, or ended while writing it.*h5clear"):
        scan_features(tmp_path / "a.h5")


def test_who_insists_on_locks_is_told_the_setting(
    tmp_path: Path, held: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", data=BAG, compression="lzf")
    held(tmp_path / "a.h5", "flock")
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "TRUE")
    LIBRARY.close()
    try:
        with pytest.raises(
            ArtifactError, match=r"it is locked, or its file system has no locks.*HDF5_USE_FILE_LOCKING=FALSE"
        ):
            scan_features(tmp_path / "a.h5")
    finally:
        LIBRARY.close()


def test_writing_needs_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.touch()
    meta = FeatureMeta("x", 8, 256, 0.5, 0.25, 0.25, "told", 512.0, 9000, 8000, "ab12", "0.1.0")
    with path.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        write_features(path, BAG, np.zeros((12, 2), int), meta)
    assert np.array_equal(read_features(scan_features(path))[0], BAG)


def test_numpy_arrays_and_other_objects_in_a_torch_file(tmp_path: Path) -> None:
    import torch

    torch.save({"features": BAG}, tmp_path / "a.pt")
    torch.save({"features": Path("x")}, tmp_path / "b.pt")
    for name, what in (("a.pt", "a numpy array"), ("b.pt", r"an object of pathlib\.\S+")):
        with pytest.raises(ArtifactError, match=rf"{name}: cannot be read: it contains {what}, .*torch\.save") as told:
            scan_features(tmp_path / name)
        assert "damaged" not in str(told.value)


def test_simple_causes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file["features"] = np.ones((300, 4))
    whole = (tmp_path / "whole.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[:-900])
    (tmp_path / "text.h5").write_text("a text")
    (tmp_path / "folder.h5").mkdir()
    for name, says in {
        "gone.h5": "",
        "folder.h5": "it is a folder",
        "text.h5": "it is not an HDF5 file",
        "cut.h5": "it is truncated",
    }.items():
        with pytest.raises(ArtifactError, match=rf"{name}: cannot be read.*{says}"):
            scan_features(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_the_user_may_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = BAG
    (tmp_path / "a.h5").chmod(0)
    with pytest.raises(ArtifactError, match="permission denied"):
        scan_features(tmp_path / "a.h5")


@pytest.mark.parametrize("error", [MemoryError(), OSError(116, "Stale"), OSError(5, "I/O"), OSError(37, "No locks")])
def test_causes_of_the_machine(error: Exception) -> None:
    with pytest.raises(ArtifactError) as told, feature_container.causes_named(Path("a.h5")):
        raise error
    assert "damaged" not in str(told.value)


def test_what_unpacks_to_implausibly_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, dim in (("bomb.h5", 2**16), ("bomb.npz", 2**16)):
        zeros = np.zeros((64, dim), "f4")
        if name.endswith("npz"):
            np.savez_compressed(tmp_path / name, features=zeros)
        else:
            with h5py.File(tmp_path / name, "w") as file:
                file.create_dataset("features", data=zeros, compression="gzip")
        scan_features(tmp_path / name)  # 16 MB are no danger
        monkeypatch.setattr(byte_runs, "LARGE", 1 << 20)
        with pytest.raises(
            ArtifactError, match=rf"{name}: features decompresses to an implausible size; got 167\d+ bytes from"
        ):
            scan_features(tmp_path / name)
        monkeypatch.undo()
