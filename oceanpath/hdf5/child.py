"""The child process that runs the HDF5 library for `oceanpath.artifacts.features.hdf5_library`.

usage: python -m oceanpath.hdf5.child LIFELINE

Requests name a file by "path"; it is opened without a lock, and stays open if the library reads its rows:

    {"op": "describe"}                        → {"arrays", "methods", "attrs", "array_attrs", "links"} and the int64
                                                numbers of all methods, concatenated
    {"op": "rows", "name", "start", "count"}  → {} and the rows, native numbers in row-major order
    {"op": "close"}                           → {}
    (an error of the library)                 → {"error"}

A method describes how the rows of an array are read:

    {"numbers": 2 k}                       offsets and sizes of k runs of bytes
    {"numbers": 3 k, "sides", "filters"}   addresses, sizes and masks of k compressed chunks
    {"rows"}                               by the library, this many rows at a time
    {"refused": {"what", "got", "do"}}     not readable, with the cause
    {"error"}                              the library raised
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from oceanpath.hdf5.byte_runs import Runs
from oceanpath.hdf5.datasets import NATIVE, DatasetStorage, is_ordinary, refusal, rows_at_once, stored_method
from oceanpath.hdf5.rows import Tiles
from oceanpath.subprocess_worker import serve

FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""Exceptions of h5py for a damaged file; any other one ends the process."""
MAX_NAMES, MAX_DEPTH = 4000, 32
"""Maximum number of names in a file."""
MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES = 1000, 1 << 16
"""Maximum number of attributes, and of bytes per attribute; a damaged count could otherwise take hours to read."""
OPEN = 16


class Opened(NamedTuple):
    """One open file."""

    file: Any
    raw: Any
    """The same file as plain bytes."""
    datasets: dict[str, DatasetStorage]
    links: dict[str, str]


class FileRequests:
    """Handles requests about several files."""

    def __init__(self) -> None:
        self._opened: dict[str, Opened] = {}

    def answer(self, request: dict[str, Any]) -> tuple[Mapping[str, Any], bytes | memoryview]:
        """The reply and its payload; an exception of the library becomes a reply."""
        path = request["path"]
        try:
            if request["op"] == "rows":
                opened = self._opened.get(path) or self._open(path)
                return {}, _rows(opened.datasets[request["name"]], request["start"], request["count"])
            self._close(path)
            if request["op"] == "close":
                return {}, b""
            reply, numbers = _describe(self._open(path))
            if not any("rows" in method for method in reply["methods"].values()):
                self._close(path)
            return reply, numbers
        except FAULTS as error:
            self._close(path)
            return _raised(error), b""

    def _open(self, path: str) -> Opened:
        while len(self._opened) >= OPEN:
            self._close(next(iter(self._opened)))
        file = h5py.File(path, "r", locking=False)
        opened = Opened(file, Path(path).open("rb", buffering=0), {}, {})  # noqa: SIM115  # _close closes both
        self._opened[path] = opened
        for number, (name, item) in enumerate(_members(file, "", frozenset())):
            _validate_names(number)
            if isinstance(item, str):
                opened.links[name] = item
            elif item is not None:
                opened.datasets[name] = item
        return opened

    def _close(self, path: str) -> None:
        opened = self._opened.pop(path, None)
        if opened is not None:
            opened.raw.close()
            opened.file.close()


def _members(group: Any, prefix: str, above: frozenset[int]) -> Iterator[tuple[str, Any]]:
    """Name of every member below a group, with its dataset, None for a group, or the target of a link.

    h5py's own `visit` measures the whole chunk index of every dataset, which takes longer than reading the dataset.
    """
    _validate_names(len(group))
    if len(above) > MAX_DEPTH:
        raise ValueError(f"groups {MAX_DEPTH} deep are too deep for a feature file")
    for name in group:
        if isinstance(name, bytes):  # not UTF-8, so not one of the known names
            continue
        link = group.id.links.get_info(name.encode())
        if link.type != h5py.h5l.TYPE_HARD:
            target = group.get(name, getlink=True)
            file = f"{target.filename}:" if isinstance(target, h5py.ExternalLink) else ""
            yield prefix + name, f"{file}{target.path}"
        elif link.u not in above:
            item = group[name]
            if isinstance(item, h5py.Dataset):
                yield prefix + name, DatasetStorage(item, link.u)
            elif isinstance(item, h5py.Group):
                yield f"{prefix}{name}/", None
                yield from _members(item, f"{prefix}{name}/", above | {link.u})


def _validate_names(count: int) -> None:
    if count > MAX_NAMES:
        raise ValueError(f"{MAX_NAMES} names are too many for a feature file")


def _describe(opened: Opened) -> tuple[dict[str, Any], bytes]:
    numbers = {name: item for name, item in opened.datasets.items() if item.dtype.kind in "fiu"}
    ordinary = is_ordinary(opened.file)
    methods = {name: _method(item, opened, ordinary) for name, item in numbers.items() if _has_rows(item)}
    reply = {
        "arrays": {name: (item.shape, item.dtype.name) for name, item in numbers.items()},
        "methods": {name: method for name, (method, _) in methods.items()},
        "attrs": _attributes(opened.file),
        "array_attrs": {name: _attributes(item.dataset) for name, item in numbers.items()},
        "links": opened.links,
    }
    return reply, b"".join(indices for _, indices in methods.values())


def _has_rows(stored: DatasetStorage) -> bool:
    """Whether a dataset may be features or coordinates; a vector of floats may be one row of features."""
    return len(stored.shape) > 1 or (len(stored.shape) == 1 and stored.dtype.kind == "f")


def _method(stored: DatasetStorage, opened: Opened, ordinary: bool) -> tuple[dict[str, Any], bytes]:
    try:
        if refused := refusal(stored, Path(opened.file.filename)):
            return {"refused": refused}, b""
        method = stored_method(stored, opened.raw.fileno()) if ordinary else None
        if isinstance(method, Runs):
            table = np.stack([method.offsets, method.sizes])
            return {"numbers": table.size}, table.tobytes()
        if isinstance(method, Tiles):
            table = np.stack([method.chunks.addresses, method.chunks.sizes, method.chunks.masks])
            return {"numbers": table.size, "sides": method.sides, "filters": method.filters}, table.tobytes()
        return {"rows": rows_at_once(stored)}, b""
    except FAULTS as error:
        return _raised(error), b""


def _raised(error: BaseException) -> dict[str, str]:
    return {"error": f"{type(error).__name__}: {error}"}


def _attributes(item: Any) -> dict[str, Any]:
    """The attributes of an object that are numbers, text or bytes, in the form that `hdf5_library` parses."""
    encoded = {}
    for name in list(item.attrs)[:MAX_ATTRIBUTES]:
        kept = item.attrs.get_id(name)
        if kept.shape is None or kept.get_storage_size() > MAX_ATTRIBUTE_BYTES:
            continue
        value = item.attrs[name]
        if isinstance(value, str):
            encoded[name] = ("text", None, value)
        elif isinstance(value, bytes):
            encoded[name] = ("bytes", None, value.hex())
        elif isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "fiub":
            native = value.astype(value.dtype.newbyteorder(NATIVE))
            shape = value.shape if isinstance(value, np.ndarray) else None
            encoded[name] = (native.dtype.str, shape, native.tobytes().hex())
    return encoded


def _rows(stored: DatasetStorage, start: int, count: int) -> memoryview:
    rows = np.empty((count, stored.shape[-1]), stored.dtype.newbyteorder(NATIVE))
    if not rows.size:
        return memoryview(b"")
    leading = (0,) * (len(stored.shape) - 2)
    if len(stored.shape) == 1:
        stored.dataset.read_direct(rows[0])
    else:
        stored.dataset.read_direct(rows, (*leading, slice(start, start + count)))
    return rows.data.cast("B")


if __name__ == "__main__":
    serve(FileRequests().answer, int(sys.argv[1]))
