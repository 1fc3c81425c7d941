"""`.npy` and `.npz` files: what was saved is read; of any other bytes, the error is ours and names the file."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.features.files import layout_of, read_features, scan_features
from oceanpath.artifacts.features.npy_header import read_npy_header
from oceanpath.errors import ArtifactError
from oceanpath.hdf5 import rows as hdf5_rows

BAG = np.arange(60, dtype="f4").reshape(12, 5)
PLACES = np.arange(24).reshape(12, 2)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 90),
    dim=st.integers(1, 17),
    dtype=st.sampled_from(["<f2", "<f4", "<f8", ">f4"]),
    fortran=st.booleans(),
    leading=st.booleans(),
    packed=st.booleans(),
    block=st.sampled_from([64, 1 << 20]),
)
def test_what_was_saved_is_read(tmp_path_factory, n, dim, dtype, fortran, leading, packed, block) -> None:
    folder = tmp_path_factory.mktemp("n")
    values = np.random.default_rng(n).standard_normal((1, n, dim) if leading else (n, dim)).astype(dtype)
    values = np.asfortranarray(values) if fortran else values
    places = np.arange(2 * n).reshape(n, 2)
    np.save(folder / "a.npy", values)
    save = np.savez_compressed if packed else np.savez
    save(folder / "b.npz", features=values, coords=places, encoder="uni", patch_size_level0=512)
    save(folder / "c.npz", values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_rows, "BLOCK_BYTES", block)
        for name in ("a.npy", "b.npz", "c.npz"):
            file = scan_features(folder / name)
            features, coords = read_features(file)
            wanted = values.reshape(n, dim).astype(file.dtype)
            assert np.array_equal(features, wanted) and (file.n, file.dim) == (n, dim)
            assert layout_of(folder / name).n == n
            if name == "b.npz":
                assert (file.encoder, file.patch_px_level0) == ("uni", 512.0)
                assert coords is not None and np.array_equal(coords, places)
            else:
                assert coords is None


def header(fields: str, data: bytes = b"") -> bytes:
    text = (fields + "\n").encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def fields(shape: str, descr: str = "'<f4'", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}"


ODD = {
    "empty": b"",
    "text": b"hello",
    "magic alone": b"\x93NUMPY",
    "version 9": b"\x93NUMPY\x09\x00" + bytes(99),
    "version 3": b"\x93NUMPY\x03\x00" + header(fields("(1, 4)"), bytes(16))[8:],
    "negative": header(fields("(-3, -4)"), bytes(48)),
    "negative and positive": header(fields("(-1, 4)"), bytes(48)),
    "boolean": header(fields("(True, 4)"), bytes(16)),
    "fraction": header(fields("(1.5, 4)"), bytes(24)),
    "text in the shape": header(fields("('3', 4)"), bytes(48)),
    "no shape": header(fields("None"), bytes(48)),
    "absurd": header(fields("(2**40, 4)"), bytes(48)),
    "beyond 64 bits": header(fields(f"({10**30}, 4)"), bytes(48)),
    "nested": b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10000,
    "not closed": b"\x93NUMPY\x01\x00\x08\x00{'''\n  x",
    "no dictionary": header("[1, 2]"),
    "other keys": header("{'a': 1}"),
    "code": header("__import__('os').getcwd()"),
    "no type": header(fields("(3, 4)", "'?x'")),
    "objects": header(fields("(3, 4)", "'|O'"), b"cos\nsystem\n(S'true'\ntR."),
    "times": header(fields("(3, 4)", "'<M8[s]'"), bytes(96)),
    "structured": header(fields("(3,)", "[('a', '<f4')]"), bytes(12)),
    "too short": header(fields("(3, 4)"), bytes(47)),
    "too long": header(fields("(3, 4)"), bytes(49)),
    "long header": b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65535,
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_array_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.npy").write_bytes(ODD[kind])
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("features.npy", ODD[kind])
    for name in ("a.npy", "b.npz"):
        with pytest.raises(ArtifactError, match=rf"{name}: "):
            read_features(scan_features(tmp_path / name))


@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=120), version=st.sampled_from([1, 2, 3]))
def test_no_header_raises_anything_else(text: str, version: int) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    length = len(raw).to_bytes(2 if version == 1 else 4, "little")
    with pytest.raises(ValueError):
        read_npy_header(io.BytesIO(b"\x93NUMPY" + bytes([version, 0]) + length + raw))


@pytest.mark.parametrize("kind", ["a.npy", "b.npz", "c.npz"])
def test_no_mutant_raises_anything_else(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / kind
    np.save(whole, BAG) if kind == "a.npy" else (np.savez if kind == "b.npz" else np.savez_compressed)(
        whole, features=BAG, coords=PLACES, mpp=0.5, encoder="uni"
    )
    raw, read = whole.read_bytes(), 0
    for number in range(400):
        draw, body = random.Random(f"{kind} {number}"), bytearray(raw)
        for _ in range(draw.choice((1, 1, 2, 4))):
            at = draw.randrange(min(len(body), 300 if draw.random() < 0.7 else len(body)))
            body[at] = draw.choice((0, 255, body[at] ^ 1 << draw.randrange(8), draw.randrange(256)))
        whole.write_bytes(body[: draw.randrange(len(body))] if draw.random() < 0.1 else body)
        try:
            read += len(read_features(scan_features(whole))[0])
        except ArtifactError as error:
            assert kind in str(error)
    assert read


def archive(path: Path, members: list[tuple[str, bytes]], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as kept:
        for name, content in members:
            kept.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_odd_archives(tmp_path: Path) -> None:
    array = header(fields("(3, 4)"), bytes(range(48)))
    twice = archive(tmp_path / "twice.npz", [("features.npy", array), ("features.npy", array)])
    beside = archive(
        tmp_path / "beside.npz", [("features.npy", array), ("notes.txt", b"x"), ("more.npy", ODD["objects"])]
    )
    many = archive(tmp_path / "many.npz", [(f"x{i}.npy", array) for i in range(1001)])
    empty = archive(tmp_path / "empty.npz", [])
    with pytest.raises(ArtifactError, match="2 arrays with 1 names"):
        scan_features(twice)
    with pytest.raises(ArtifactError, match="1001 arrays"):
        scan_features(many)
    with pytest.raises(ArtifactError, match="no features in this file"):
        scan_features(empty)
    assert scan_features(beside).n == 3
    with pytest.raises(ArtifactError, match=r"text\.npz: cannot be read"):
        (tmp_path / "text.npz").write_text("hello")
        scan_features(tmp_path / "text.npz")


def test_a_run_starts_from_npy_and_npz(cohort: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(cohort.names()):
        cohort.file(name).unlink()
        rows = np.random.default_rng(number).standard_normal((20, 8)).astype("f2")
        places = np.arange(40).reshape(20, 2)
        np.savez(cohort.file(name).with_suffix(".npz"), features=rows, coords=places)
    assert cohort.run("--to", "mmap") == 0
    np.save(cohort.file("slide_03").with_suffix(".npy"), rows)
    cohort.file("slide_03").with_suffix(".npz").unlink()
    assert cohort.run("--to", "mmap") == 4
    assert "slide_03.npy: no coordinates, but 15 others have them" in capsys.readouterr().err
    cohort.toml = cohort.toml.replace("[mmap]\n", "[mmap]\ncoords = false\n")
    assert cohort.run("--to", "mmap") == 0
    cohort.file("slide_03").with_suffix(".npy").write_bytes(ODD["negative"])
    assert cohort.run("--to", "mmap") == 4
    assert "slide_03.npy: cannot be read" in capsys.readouterr().err
