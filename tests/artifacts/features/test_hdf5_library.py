"""The HDF5 library runs in a child with a time limit: what it does there harms one file, and nothing else."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features import hdf5_library
from oceanpath.artifacts.features.files import layout_of, read_coords_file, read_features, read_meta, scan_features
from oceanpath.artifacts.features.hdf5_library import LIBRARY
from oceanpath.artifacts.store.coverage import coverage_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ArtifactError
from oceanpath.subprocess_worker import python_environment

BAG = np.arange(96, dtype="f4").reshape(12, 8)
HANG = pytest.mark.timeout(60)
NO_STORE = cast(Store, None)
"""`coverage_of` reads the feature file before the store."""


def hanging(path: Path, features: np.ndarray = BAG) -> Path:
    """A feature file with one changed byte, the length of a text attribute, at which HDF5 loops for ever."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:  # a newer layout, which only the library reads
        file["features"] = features
        file["coords"] = np.arange(2 * len(features), dtype="i4").reshape(-1, 2)
        file.attrs["encoder"] = "uni"
    body = bytearray(buffer.getvalue())
    body[body.index(b"GCOL") + 24] = 137
    path.write_bytes(body)
    return path


def for_library(path: Path, features: np.ndarray = BAG, **how: Any) -> Path:
    """A feature file whose rows only the library reads."""
    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=features, compression="lzf", **how)
        file["coords"] = np.arange(2 * len(features), dtype="i4").reshape(-1, 2)
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_library, "LIMIT_S", 3.0)


def child() -> int:
    """Process id of the child that runs now."""
    assert LIBRARY._worker is not None
    return LIBRARY._worker.pid


@HANG
@pytest.mark.parametrize(
    "read", [scan_features, layout_of, read_coords_file, read_meta, lambda path: coverage_of(path, NO_STORE)]
)
def test_a_file_on_which_the_library_never_returns_is_given_up(tmp_path: Path, read: Any) -> None:
    says = r"a\.h5: cannot be read: the HDF5 library does not respond; got no answer within 3 s"
    with pytest.raises(ArtifactError, match=says):
        read(hanging(tmp_path / "a.h5"))
    assert np.array_equal(read_features(scan_features(for_library(tmp_path / "b.h5")))[0], BAG)


@HANG
def test_only_the_file_that_hangs_is_named_while_threads_read_others(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((30_000, 64), dtype="f4")
    files = [scan_features(for_library(tmp_path / f"{i}.h5", rows[i:], chunks=(500, 64))) for i in range(4)]
    hanging(tmp_path / "a.h5")

    def read(number: int) -> bool | str:
        if number == 2:
            with pytest.raises(ArtifactError, match=r"a\.h5: .*does not respond"):
                scan_features(tmp_path / "a.h5")
            return True
        file = files[number % 4]
        return np.array_equal(read_features(file)[0], rows[number % 4 :])

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(read, range(12)))


def test_a_child_serves_many_files_and_is_replaced_when_it_dies(tmp_path: Path) -> None:
    files = [scan_features(for_library(tmp_path / f"{i}.h5", BAG + i)) for i in range(20)]
    first = child()
    for number, file in enumerate(files):
        assert np.array_equal(read_features(file)[0], BAG + number)
    assert child() == first
    os.kill(first, signal.SIGKILL)
    time.sleep(0.2)
    assert np.array_equal(read_features(files[3])[0], BAG + 3)
    assert child() != first


def test_a_child_that_dies_while_rows_are_read_is_told(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((40_000, 64), dtype="f4")
    file = scan_features(for_library(tmp_path / "a.h5", rows, chunks=(500, 64)))
    os.kill(child(), signal.SIGSTOP)
    pid = child()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_features, file)
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ArtifactError, match=r"a\.h5: cannot be read: the HDF5 library crashed; got SIGKILL"):
            reading.result()


def test_it_keeps_no_file_open(tmp_path: Path) -> None:
    read_features(scan_features(for_library(tmp_path / "a.h5")))
    scan_features(for_library(tmp_path / "b.h5"))
    assert not any("a.h5" in target or "b.h5" in target for target in opened(child()))


def opened(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    if not folder.is_dir():
        pytest.skip("this system does not show the open files of a process")
    return [str(link.readlink()) for link in folder.iterdir()]


def test_a_forked_process_starts_its_own(tmp_path: Path) -> None:
    path = for_library(tmp_path / "a.h5")
    scan_features(path)
    ours = child()
    code = os.fork()
    if not code:  # nothing but the verdict leaves the forked process
        os._exit(0 if scan_features(path).n == 12 and child() != ours else 1)
    assert os.waitpid(code, 0)[1] == 0
    scan_features(path)
    assert child() == ours


@HANG
def test_no_child_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    hanging(tmp_path / "a.h5")
    code = (
        "import sys\nfrom pathlib import Path\nfrom oceanpath.artifacts.features.files import scan_features\n"
        "from oceanpath.artifacts.features.hdf5_library import LIBRARY\n"
        f"LIBRARY.ask(Path({str(tmp_path / 'a.h5')!r}), {{'op': 'close'}})\nprint(LIBRARY._worker.pid, flush=True)\n"
        f"scan_features(Path({str(tmp_path / 'a.h5')!r}))\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=python_environment())
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    time.sleep(0.5)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    for _ in range(100):
        if (
            not Path(f"/proc/{pid}").exists()
            or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            return
        time.sleep(0.05)
    raise AssertionError("the child is still there")


def test_what_the_library_is_asked_for_is_what_it_holds(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((5000, 40)).astype(">f8")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = rows[None]
        file["coords"] = np.arange(10000, dtype=">i8").reshape(1, 5000, 2)
        file["coords"].attrs["patch_size_level0"] = 512
    file = scan_features(tmp_path / "a.h5")
    features, coords = read_features(file)
    assert file.patch_px_level0 == 512.0 and features.dtype == np.float32
    assert np.array_equal(features, rows.astype("f4"))
    assert coords is not None and np.array_equal(coords, np.arange(10000).reshape(5000, 2))


@HANG
def test_a_run_and_predict_name_the_file_and_end(cohort: Any, capsys: pytest.CaptureFixture[str]) -> None:
    hanging(cohort.file("slide_03"), np.ones((20, 8), "f2"))
    assert cohort.run("--to", "mmap") == 4
    assert "slide_03.h5: cannot be read: the HDF5 library does not respond" in capsys.readouterr().err


@pytest.fixture(scope="module", autouse=True)
def ends() -> Iterator[None]:
    yield
    LIBRARY.close()
