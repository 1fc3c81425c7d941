"""Datasets opened by the HDF5 library: where their rows are, or why they cannot be read. Used by `child`."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from oceanpath.errors import shorten_list
from oceanpath.hdf5.byte_runs import Runs, is_implausible
from oceanpath.hdf5.chunks import Chunks, file_bytes, grid_of, in_order, tree_chunks
from oceanpath.hdf5.rows import INFLATABLE, ReadMethod, block_rows, chunked_method

NATIVE: Literal["="] = "="
LAYOUT_MESSAGE, CONTINUATION_MESSAGE = 8, 16
MAX_BLOCKS = 64
MAX_SHOWN = 3
FILTERS = {
    4: "szip",
    305: "LZO",
    307: "bzip2",
    32001: "Blosc",
    32003: "Snappy",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}
"""Registered number of a filter → its name."""
OF_HDF5PLUGIN = {307, 32001, 32004, 32008, 32013, 32015, 32017, 32018, 32024, 32026, 32028}
Refusal = dict[str, str]
"""`what`, `got` and `do` of an error."""


class DatasetStorage:
    """A dataset of an open HDF5 file, with cached properties that h5py would look up at every access."""

    def __init__(self, dataset: Any, address: int) -> None:
        """`address` is the position of the dataset's object header in the file."""
        self.dataset, self.address = dataset, address
        self.shape, self.dtype, self.sides = dataset.shape, dataset.dtype, dataset.chunks
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize
        self._plist = dataset.id.get_create_plist()
        self.layout = self._plist.get_layout()
        self.filters = tuple(self._plist.get_filter(i)[0] for i in range(self._plist.get_nfilters()))

    @property
    def name(self) -> str:
        """Its path in the file."""
        return str(self.dataset.name).lstrip("/")

    def filter_name(self, number: int) -> str:
        """Name of filter `number` in the file."""
        return str(self._plist.get_filter(number)[3].decode(errors="replace"))


def refusal(stored: DatasetStorage, path: Path) -> Refusal | None:
    """Why the rows of a dataset in the file at `path` cannot be read; None if they can."""
    elsewhere = _elsewhere(stored, path)
    if elsewhere or not stored.nbytes:
        return elsewhere
    for number, code in enumerate(stored.filters):
        if not _filter_is_here(code):
            return _missing_filter(stored, number)
    return _unwritten(stored) or _bomb(stored)


def _elsewhere(stored: DatasetStorage, path: Path) -> Refusal | None:
    """The refusal of a dataset whose rows are in other files, which could change unnoticed."""
    if stored.layout == h5py.h5d.VIRTUAL:
        kind = "a virtual dataset"
        names = [source.file_name for source in stored.dataset.virtual_sources()]
    elif external := stored.dataset.external if stored.layout == h5py.h5d.CONTIGUOUS else None:
        kind = "stored in external files"
        names = [name if isinstance(name, str) else name.decode(errors="replace") for name, _, _ in external]
    else:
        return None
    files = sorted({name if name != "." else path.name for name in names})
    listed = [f"{name}{'' if (path.parent / name).exists() else ' (missing)'}" for name in files[:MAX_SHOWN]]
    rows = shorten_list([*listed, *files[MAX_SHOWN:]], MAX_SHOWN)
    do = "Write the rows into the file itself: a change in another file would go unnoticed."
    return {
        "what": f"{stored.name} is {kind}",
        "got": f"rows in {rows}",
        "do": do,
    }


def _missing_filter(stored: DatasetStorage, number: int) -> Refusal:
    code = stored.filters[number]
    known = FILTERS.get(code) or stored.filter_name(number).partition(";")[0].strip() or "unnamed"
    if code in OF_HDF5PLUGIN:
        do = 'Install hdf5plugin: python -m pip install "oceanpath[formats]"'
    else:
        do = "Install its HDF5 plugin, or rewrite the file on a machine that has it: h5repack -f GZIP=4 IN OUT"
    what = f"{stored.name} is compressed with a filter that is not installed"
    return {"what": what, "got": f"HDF5 filter {code} ({known})", "do": do}


def _filter_is_here(code: int) -> bool:
    if not h5py.h5z.filter_avail(code):
        with suppress(ImportError):
            import hdf5plugin  # noqa: F401  # importing it registers its filters; only such files need it
    return bool(h5py.h5z.filter_avail(code))


def _unwritten(stored: DatasetStorage) -> Refusal | None:
    """The refusal of a dataset with rows that were never written: they would be read as zeros."""
    if stored.sides is None:
        written, parts = int(stored.dataset.id.get_storage_size() > 0), 1
    else:
        written, parts = stored.dataset.id.get_num_chunks(), math.prod(grid_of(stored.shape, stored.sides))
    if written >= parts:
        return None
    how = f"was written in part: {written} of {parts} chunks" if written else "was allocated but never written"
    return {"what": f"{stored.name} {how}", "got": "", "do": "Extract this slide again."}


def _bomb(stored: DatasetStorage) -> Refusal | None:
    """The refusal of a dataset that decompresses to implausibly many bytes."""
    if not is_implausible(stored.nbytes, stored.dataset.id.get_storage_size()):
        return None
    got = f"{stored.nbytes} bytes from {stored.dataset.id.get_storage_size()}"
    return {"what": f"{stored.name} decompresses to an implausible size", "got": got, "do": "Extract this slide again."}


def is_ordinary(file: Any) -> bool:
    """Whether addresses in an open file are byte offsets in it."""
    plist = file.id.get_create_plist()
    return bool(plist.get_userblock() == 0 and plist.get_sizes() == (8, 8))


def stored_method(stored: DatasetStorage, handle: int) -> ReadMethod | None:
    """How to read a dataset of an ordinary file without the library; None if only the library can.

    `handle` is a descriptor of the same file.
    """
    if not _plain(stored):
        return None
    if stored.sides is None:
        offset, size = stored.dataset.id.get_offset(), np.array([stored.nbytes], np.int64)
        return None if offset is None else Runs(np.array([offset], np.int64), size, size)
    if stored.filters and stored.filters not in INFLATABLE:
        return None
    chunks = find_chunks(stored, handle)
    return None if chunks is None else chunked_method(stored.shape, stored.sides, stored.dtype, stored.filters, chunks)


def rows_at_once(stored: DatasetStorage) -> int:
    """Rows per read by the library: about one block, and whole chunks, so that no chunk is read twice."""
    rows = block_rows(stored.shape[-1] * stored.dtype.itemsize)
    if stored.sides and len(stored.shape) > 1:
        rows = max(1, rows // stored.sides[-2]) * stored.sides[-2]
    return int(rows)


def _plain(stored: DatasetStorage) -> bool:
    """Whether the values of a dataset are stored as in a numpy array."""
    in_file = stored.layout in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
    two_dimensional = len(stored.shape) == 2 or (len(stored.shape) == 3 and stored.shape[0] == 1)
    if not (in_file and two_dimensional and stored.nbytes and stored.dtype.isnative):
        return False
    return bool(stored.dataset.id.get_type().equal(h5py.h5t.py_create(stored.dtype)))


def find_chunks(stored: DatasetStorage, handle: int) -> Chunks | None:
    """The chunks of a dataset, or None if some are missing or the library does not report their locations."""
    root = _tree_address(stored.address, handle)
    chunks = None if root is None else tree_chunks(root, stored.shape, stored.sides, handle)
    return chunks or _from_library(stored)


def _from_library(stored: DatasetStorage) -> Chunks | None:
    if not hasattr(stored.dataset.id, "chunk_iter"):  # HDF5 before 1.12.3
        return None
    rows: list[tuple[Any, ...]] = []
    stored.dataset.id.chunk_iter(lambda c: rows.append((*c.chunk_offset, c.byte_offset, c.size, c.filter_mask)))
    if not rows or any(row[-3] is None for row in rows):
        return None
    table = np.array(rows, np.int64)
    return in_order(table[:, :-3], Chunks(table[:, -3], table[:, -2], table[:, -1]), stored.shape, stored.sides)


def _tree_address(header: int, handle: int) -> int | None:
    """Address of the chunk index of the object with a version 1 header at `header`."""
    head = file_bytes(handle, 16, header)
    if len(head) < 16 or head[0] != 1:
        return None
    blocks, tried = [(header + 16, int.from_bytes(head[8:12], "little"))], 0
    while blocks and tried < MAX_BLOCKS:
        tried += 1
        place, size = blocks.pop()
        raw = file_bytes(handle, size, place)
        for kind, body in _messages(raw):
            if kind == CONTINUATION_MESSAGE and len(body) >= 16:
                blocks.append(struct.unpack_from("<QQ", body))
            if kind == LAYOUT_MESSAGE and len(body) >= 11:
                version, layout_class = body[0], body[1]
                return int.from_bytes(body[3:11], "little") if (version, layout_class) == (3, 2) else None
    return None


def _messages(raw: bytes) -> list[tuple[int, bytes]]:
    """(type, body) of each message in a block of a version 1 object header."""
    starts = [0]
    while starts[-1] + 8 <= len(raw):
        starts.append(starts[-1] + 8 + int.from_bytes(raw[starts[-1] + 2 : starts[-1] + 4], "little"))
    return [(int.from_bytes(raw[a : a + 2], "little"), raw[a + 8 : b]) for a, b in pairwise(starts)]
