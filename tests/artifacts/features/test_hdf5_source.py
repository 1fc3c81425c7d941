"""Damaged HDF5 bytes, read without the library, are read or refused at once: no exception of another kind, no loop."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features.container import causes_named
from oceanpath.artifacts.features.files import read_features, scan_features
from oceanpath.artifacts.features.hdf5_source import ordinary_source
from oceanpath.errors import ArtifactError
from oceanpath.hdf5.attributes import Unusual
from oceanpath.hdf5.chunks import NODE_HEAD, tree_chunks
from oceanpath.hdf5.headers import read_headers

MUTANTS = 3000
LONGEST_S = 0.5
"""Of processor time; a whole file takes a millisecond."""
HOW: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "rows": {"chunks": (1, 6)},
    "bands": {"chunks": (16, 6), "maxshape": (None, 6)},
    "tiles": {"chunks": (16, 4), "compression": "gzip", "shuffle": True},
}


def seed_file(path: Path, how: dict[str, Any]) -> bytes:
    with h5py.File(path, "w") as file:
        file.create_dataset("g/features", data=np.arange(240, dtype="f4").reshape(40, 6), **how)
        file["g/coords"] = np.arange(80).reshape(40, 2)
        file["link"] = h5py.SoftLink("/g/features")
        file.attrs["encoder"] = "uni"
        file.attrs["mpp"] = np.array([0.5, 0.5])
    return path.read_bytes()


def mutant(raw: bytes, draw: random.Random) -> bytes:
    """The bytes with flipped bits, extreme numbers, pointers into the file, copied parts, or cut off."""
    body = bytearray(raw)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        at, width = draw.randrange(len(body)), draw.choice((1, 2, 4, 8))
        part = draw.randrange(len(body))
        body[at : at + width] = draw.choice(
            (
                bytes([body[at] ^ 1 << draw.randrange(8)]),
                b"\0" * width,
                b"\xff" * width,
                draw.randrange(len(raw)).to_bytes(8, "little")[:width],
                (1 << draw.randrange(8 * width)).to_bytes(width, "little"),
                body[part : part + draw.randrange(1, 200)],
            )
        )
    return bytes(body[: draw.randrange(len(body))] if draw.random() < 0.1 else body)


@pytest.mark.parametrize("kind", HOW)
def test_mutants_are_read_or_refused_at_once(tmp_path: Path, kind: str) -> None:
    raw, path, read = seed_file(tmp_path / "seed.h5", HOW[kind]), tmp_path / "mutant.h5", 0
    for number in range(MUTANTS // len(HOW)):
        path.write_bytes(mutant(raw, random.Random(f"{kind} {number}")))
        begun = time.process_time()
        try:
            with path.open("rb", buffering=0) as handle, causes_named(path):
                source = ordinary_source(path, handle.fileno())
                if source is None:
                    continue
                for name, (shape, _) in source.arrays.items():
                    if len(shape) > 1:
                        source.check(name)
                        read += sum(len(block) for block in source.blocks(name))
        except ArtifactError:
            pass
        assert time.process_time() - begun < LONGEST_S, number
    assert read > 1000  # most damage is in the values


def test_a_chunk_index_that_leads_back_ends_whatever_shape_is_claimed(tmp_path: Path) -> None:
    entry = np.dtype([("size", "<u4"), ("mask", "<u4"), ("start", "<i8", (3,)), ("address", "<i8")])

    def node(level: int, following: int, child: int) -> bytes:
        entries = np.zeros(1, entry)
        entries["address"] = child
        return NODE_HEAD.pack(b"TREE", 1, level, 1, 0, following) + entries.tobytes() + bytes(64 * entry.itemsize)

    size = len(node(0, 0, 0))
    for nodes in (
        [(0, 0, 0)],  # its right sibling is the node itself
        [(0, size, 0), (0, 0, 0)],  # two that are each other's
        [(1, 0, 0)],  # its child is the node itself
        [(1, 0, size), (2, 0, 0)],
    ):
        path = tmp_path / "tree"
        path.write_bytes(b"".join(node(*one) for one in nodes) + bytes(1 << 20))
        begun = time.process_time()
        with path.open("rb") as handle:
            assert tree_chunks(0, (2**60, 4), (1, 4), handle.fileno()) is None
        assert time.process_time() - begun < LONGEST_S


def test_a_web_of_groups_is_not_walked_to_its_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file
        for _ in range(20):  # two names for each group: a million methods down
            below = group.create_group("a")
            group["b"] = below
            group = below
        group["features"] = np.ones((3, 2), "f4")
    begun = time.process_time()
    with (tmp_path / "a.h5").open("rb") as handle, pytest.raises(Unusual):
        read_headers(handle.fileno())
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("claimed", [2**20, 2**40, 2**62, 2**63, 2**64 - 1])
@pytest.mark.parametrize("kind", HOW)
def test_a_shape_that_the_file_cannot_hold_is_refused_before_it_is_allocated(
    tmp_path: Path, kind: str, claimed: int
) -> None:
    raw, path = bytearray(seed_file(tmp_path / "seed.h5", HOW[kind])), tmp_path / "claims.h5"
    at = raw.index((40).to_bytes(8, "little") + (6).to_bytes(8, "little"))
    raw[at : at + 8] = claimed.to_bytes(8, "little")
    path.write_bytes(raw)
    with path.open("rb", buffering=0) as handle:
        assert ordinary_source(path, handle.fileno()) is None
    with pytest.raises(ArtifactError, match=r"claims\.h5"):
        read_features(scan_features(path))
