"""Bytes → features: written arrays are read, and all other bytes raise a RequestError."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.features import hdf5_library
from oceanpath.serving import decode as decoding
from oceanpath.serving.errors import RequestError, TooLargeError
from oceanpath.serving.hdf5_reader import Hdf5Reader
from oceanpath.serving.prediction_request import Limits, PredictionRequest
from oceanpath.serving.slide_folder import SlideFolder

LIMITS = Limits(max_bytes=2**20, max_patches=1000)


READER = Hdf5Reader(LIMITS)
SLIDES = SlideFolder.open(None)


@pytest.fixture(scope="module", autouse=True)
def reader_ends() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_library, "LIMIT_S", 4.0)
        yield
    READER.close()


def decode(body: bytes, media_type: str, limits: Limits, level: str = "patch") -> PredictionRequest:
    readers = decoding.Readers(READER.read, lambda slide_id, level: SLIDES.read(slide_id, limits, level))
    return decoding.decode(body, media_type, limits, readers, level)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def h5(**sets: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in sets.items():
            file[name] = values
    return buffer.getvalue()


SMALL = np.arange(12, dtype=np.float32).reshape(3, 4)
SEEDS = {
    "npy": npy(SMALL),
    "h5": h5(features=SMALL, coords=np.zeros((3, 2), np.int32)),
    "json": json.dumps({"features": SMALL.tolist(), "encoder": "uni"}).encode(),
}


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 20),
    d=st.integers(1, 20),
    dtype=st.sampled_from(["<f2", "<f4", "<f8", ">f4"]),
    fortran=st.booleans(),
)
def test_npy_comes_back_as_it_was(n, d, dtype, fortran):
    array = np.random.default_rng(n * 31 + d).standard_normal((n, d)).astype(dtype)
    slide = decode(npy(np.asfortranarray(array) if fortran else array), "", LIMITS)
    assert np.array_equal(slide.array, array)
    assert slide.coords is None


@settings(deadline=None, max_examples=10)
@given(n=st.integers(1, 20), d=st.integers(1, 20), dtype=st.sampled_from(["f2", "f4"]))
def test_h5_comes_back_as_it_was(n, d, dtype):
    array = np.random.default_rng(n * 31 + d).standard_normal((n, d)).astype(dtype)
    coords = np.random.default_rng(n).integers(0, 9999, (n, 2)).astype(np.int32)
    slide = decode(h5(features=array, coords=coords), "", LIMITS)
    assert np.array_equal(slide.array, array)
    assert slide.coords is not None and np.array_equal(slide.coords, coords)


def test_json_comes_back_as_it_was():
    slide = decode(SEEDS["json"], "application/json; charset=utf-8", LIMITS)
    assert np.array_equal(slide.array, SMALL)
    assert slide.provenance.encoder == "uni"
    assert np.array_equal(decode(SEEDS["json"], "", LIMITS).array, SMALL)


@pytest.mark.parametrize(
    "body",
    [npy(SMALL[0]), h5(features=SMALL[0], coords=np.zeros((3, 2), np.int32)), b'{"features": [0, 1, 2, 3]}'],
    ids=["npy", "h5", "json"],
)
def test_a_vector_is_one_row_for_a_model_of_slide_embeddings_only(body: bytes) -> None:
    assert np.array_equal(decode(body, "", LIMITS, "slide").array, SMALL[:1])
    with pytest.raises(RequestError, match="shape"):
        decode(body, "", LIMITS)


@settings(deadline=None, max_examples=300)
@given(data=st.data(), kind=st.sampled_from(sorted(SEEDS)))
def test_no_mutation_raises_anything_else(data, kind):
    body = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(body), 200) - 1))
        body[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(body))))
    try:
        slide = decode(bytes(body[:cut]), "application/json" if kind == "json" else "", LIMITS)
    except RequestError as error:
        assert 400 <= error.status < 500
        assert "/tmp" not in error.render()
    else:
        assert slide.array.ndim == 2
        assert slide.array.size


@settings(deadline=None, max_examples=150)
@given(header=st.text(max_size=120), version=st.sampled_from([1, 2, 3]))
def test_no_npy_header_raises_anything_else(header, version):
    raw = header.encode()
    length = len(raw).to_bytes(2 if version == 1 else 4, "little")
    with pytest.raises(RequestError):
        decode(b"\x93NUMPY" + bytes([version, 0]) + length + raw, "", LIMITS)


@pytest.mark.parametrize("rows", [1000, 1001])
def test_the_limit_of_patches_is_exact(rows):
    body = npy(np.zeros((rows, 1), np.float16))
    if rows == 1000:
        assert len(decode(body, "", LIMITS).array) == 1000
    else:
        with pytest.raises(TooLargeError, match="1000"):
            decode(body, "", LIMITS)


def test_a_virtual_dataset_is_refused():
    buffer = io.BytesIO()
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "features", (3, 4))
    with h5py.File(buffer, "w") as file:
        file.create_virtual_dataset("features", layout)
    with pytest.raises(RequestError, match="is a virtual dataset") as caught:
        decode(buffer.getvalue(), "", LIMITS)
    assert "/etc" not in caught.value.render()


def nest(file: h5py.File, depth: int) -> None:
    group = file
    for _ in range(depth):
        group = group.create_group("g")


@pytest.mark.parametrize("shape", ["deep", "wide", "web"])
def test_h5_that_would_exhaust_the_reader_is_refused(shape):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["features"] = SMALL
        if shape == "deep":
            nest(file, 3000)
        elif shape == "wide":
            for i in range(10_001):
                file[f"n{i}"] = file["features"]
        else:
            group = file
            for _ in range(20):  # two names for each group: a million ways down
                below = group.create_group("a")
                group["b"] = below
                group = below
            group["features"] = SMALL
    with pytest.raises(RequestError, match="more than a feature file"):
        decode(buffer.getvalue(), "", LIMITS)


@pytest.mark.parametrize("shape", ["round", "many", "long", "long on a dataset", "an unused link"])
def test_what_is_beside_the_features_does_no_harm(shape):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["features"] = SMALL
        if shape == "round":
            for i in range(5):
                file[f"me{i}"] = file["/"]
        elif shape == "many":
            for i in range(2000):
                file.attrs[f"a{i}"] = i
        elif shape == "an unused link":
            file.create_group("a/b")["c"] = h5py.ExternalLink("/etc/other.h5", "x")
        else:
            (file["features"] if "dataset" in shape else file).attrs["a"] = np.zeros(5000)
    assert np.array_equal(decode(buffer.getvalue(), "", LIMITS).array, SMALL)


def test_too_much_json_is_refused_before_it_is_parsed():
    body = b'{"features": [[' + b"0," * 50 + b"0]]}"
    with pytest.raises(TooLargeError, match="JSON"):
        decode(body, "application/json", Limits(max_json=100))


@pytest.mark.parametrize("name", ["features", "coords"])
def test_a_link_into_another_file_is_refused(name):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if name == "coords":
            file["features"] = SMALL
        file[name] = h5py.ExternalLink("/etc/other.h5", "x")
    with pytest.raises(RequestError, match=f"{name} is a link") as caught:
        decode(buffer.getvalue(), "", LIMITS)
    assert "/etc" not in caught.value.render()


def hanging() -> bytes:
    """A feature file with one changed byte, the length of a text attribute, at which HDF5 loops for ever."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:  # a newer layout, which only the library reads
        file["features"] = SMALL
        file.attrs["encoder"] = "uni"
    body = bytearray(buffer.getvalue())
    body[body.index(b"GCOL") + 24] = 137
    return bytes(body)


def test_bytes_that_make_hdf5_loop_are_given_up_and_the_next_file_is_read(monkeypatch):
    monkeypatch.setattr(hdf5_library, "LIMIT_S", 1.5)
    with pytest.raises(RequestError, match="does not respond"):
        READER.read(hanging())
    assert np.array_equal(READER.read(SEEDS["h5"]).array, SMALL)


def test_many_threads_get_their_own_files():
    bags = [np.full((1 + i, 4), i, np.float32) for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(READER.read, [h5(features=bag) for bag in bags]))
    assert all(np.array_equal(one.array, bag) for one, bag in zip(found, bags, strict=True))
