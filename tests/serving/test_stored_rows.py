"""Features that are read from their file block by block."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from litestar.testing import TestClient

from oceanpath.serving import slide_run
from oceanpath.serving.app import create_app
from oceanpath.serving.engine import Engine
from oceanpath.serving.models import Models
from oceanpath.serving.settings import ServeSettings
from oceanpath.serving.stored_rows import StoredRows, in_blocks

from .conftest import DIM
from .pooling_bundle import write_pooling_bundle

BLOCK, PATCHES = 50, 417
BAG = np.random.default_rng(0).standard_normal((PATCHES, DIM)).astype(np.float16)
COORDS = np.arange(2 * PATCHES, dtype=np.int32).reshape(-1, 2)
NOT_FINITE = BAG.copy()
NOT_FINITE[[222, 300], 3] = np.nan, np.inf


def rows(parts: list[np.ndarray]) -> StoredRows:
    """Rows that are read in these parts, each of which overwrites the previous one."""
    memory = np.empty_like(max(parts, key=len))

    def read(size: int) -> Generator[np.ndarray]:
        for part in parts:
            memory[: len(part)] = part
            yield memory[: len(part)]

    return StoredRows((sum(map(len, parts)), DIM), BAG.dtype, read)


@pytest.mark.parametrize("sizes", [[417], [50] * 8 + [17], [50, 50, 317], [1, 99, 300, 17], [60, 0, 357]])
def test_parts_of_any_size_give_full_blocks(sizes: list[int]) -> None:
    parts = np.split(BAG, np.cumsum(sizes)[:-1])
    blocks = [block.copy() for block in in_blocks(rows(parts), BLOCK)]
    assert [len(block) for block in blocks] == [*[BLOCK] * 8, 17]
    assert np.array_equal(np.concatenate(blocks), BAG)
    assert [len(block) for block in in_blocks(BAG, BLOCK)] == [len(block) for block in blocks]


def test_an_error_of_the_file_is_raised_and_a_file_is_closed_when_its_reader_stops() -> None:
    closed: list[bool] = []

    def read(size: int) -> Generator[np.ndarray]:
        try:
            yield BAG[:60]
            raise OSError("the disk failed")
        finally:
            closed.append(True)

    stored = StoredRows(BAG.shape, BAG.dtype, read)
    with pytest.raises(OSError, match="the disk failed"):
        list(in_blocks(stored, BLOCK))
    blocks = in_blocks(stored, 10)
    next(blocks)
    blocks.close()
    assert closed == [True, True]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same slide in several formats, and slides whose features are not usable."""
    path = tmp_path_factory.mktemp("rows")
    np.save(path / "npy.npy", BAG)
    np.savez_compressed(path / "npz.npz", features=BAG, coords=COORDS)
    np.save(path / "float64.npy", BAG.astype(np.float64))
    np.save(path / "nan.npy", NOT_FINITE)
    np.save(path / "narrow.npy", BAG[:, 1:])
    for name, options in (("h5", {}), ("packed", {"chunks": (100, DIM), "compression": "gzip"})):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file.create_dataset("features", data=BAG, **options)
            file["coords"] = COORDS
    for name in ("blank", "shortened"):
        with h5py.File(path / f"{name}.h5", "w") as file:
            file["features"] = BAG if name == "shortened" else BAG[:0]
            file.attrs["blank"] = name == "blank"
    return path


@pytest.fixture(scope="module", params=[True, False], ids=["in blocks", "whole"])
def client(
    request: pytest.FixtureRequest, bundle_path: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient[Any]]:
    """A model that pools blocks, and one that needs all patches."""
    bundle = tmp_path_factory.mktemp("pooling") / "bundle"
    engine = Engine.load(write_pooling_bundle(bundle_path, bundle, [], pools_blocks=request.param), threads=1)
    with TestClient(create_app(Models.of(engine), ServeSettings(features=folder)), base_url="http://127.0.0.1") as made:
        yield made


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slide_run, "BLOCK", BLOCK)


@pytest.mark.parametrize("name", ["npy", "npz", "h5", "packed", "float64"])
def test_the_answer_of_a_slide_by_its_id_is_that_of_its_features_in_memory(client, name, folder):
    query = "?attention=1&members=1&contributions=1"
    answer = client.post(f"/predict{query}", json={"slide_id": name}).json()
    sent = client.post(f"/predict{query}&slide_id={name}", content=(folder / "npy.npy").read_bytes()).json()
    has_coords = name in ("npz", "h5", "packed")
    assert (answer.pop("coords"), sent.pop("coords")) == (COORDS.tolist() if has_coords else None, None)
    assert answer == sent and answer["n_patches"] == PATCHES


@pytest.mark.parametrize(
    ("name", "status", "code", "words"),
    [
        ("nan", 422, "not_finite", "2 patches, the first in row 222"),
        ("narrow", 422, "wrong_dimension", f"[{PATCHES}, {DIM - 1}]"),
        ("blank", 422, "no_patches", "the slide has no patches"),
    ],
)
def test_features_that_the_model_cannot_read_have_a_reason(client, name, status, code, words):
    answer = client.post("/predict", json={"slide_id": name})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert words in answer.text


def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error_without_a_path(client, folder, monkeypatch):
    path = folder / "shortened.h5"
    content, original = path.read_bytes(), in_blocks

    def shorten_and_read(features, size):
        path.write_bytes(content[:-700])
        yield from original(features, size)

    monkeypatch.setattr(slide_run, "in_blocks", shorten_and_read)
    answer = client.post("/predict", json={"slide_id": "shortened"})
    path.write_bytes(content)
    assert answer.status_code == 422 and "changed since it was scanned" in answer.text
    assert str(folder) not in answer.text
