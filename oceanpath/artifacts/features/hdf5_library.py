"""HDF5 files that only the HDF5 library can read, by a child process with a time limit.

Single damaged bytes can make the library loop forever or crash, and no external check detects all of them.
Therefore it runs in one child process per process (`oceanpath.hdf5.child`); a child that exceeds the time limit or ends
is replaced, and the error names the file. The child reports the locations of plain and compressed rows, which are read
in this process; only other rows pass through the child.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.container import Hdf5Error, Source, UnreadableError
from oceanpath.hdf5.byte_runs import Runs
from oceanpath.hdf5.chunks import Chunks
from oceanpath.hdf5.rows import ReadMethod, Tiles, read_blocks, table_shape
from oceanpath.subprocess_worker import Reply, Worker, WorkerError, WorkerHangsError, module_command

MODULE = "oceanpath.hdf5.child"
LIMIT_S, SLOWEST_DISK = 30.0, 10e6
"""Time limit of a request in s, and the speed of the slowest disk in bytes/s: larger files have more time."""
MAX_INDEX_BYTES = 1 << 31
"""Maximum bytes of the list of a dataset's chunks."""


class Library:
    """The one child process that runs the HDF5 library. Thread-safe; threads wait for each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def ask(self, path: Path, request: Mapping[str, Any], into: memoryview | None = None, most: int = 0) -> Reply:
        """The child's reply about a file.

        Raises: Hdf5Error: the library refused. UnreadableError: it did not return, or crashed.
        """
        limit_s = LIMIT_S + path.stat().st_size / SLOWEST_DISK
        with self._lock:
            if self._worker is None or not self._worker.usable:
                self._end()
                self._worker = Worker(module_command(MODULE))
            try:
                reply, payload = self._worker.ask({"path": str(path.absolute()), **request}, limit_s, into, most)
            except WorkerError as error:
                raise _lost(path, error, limit_s) from error
        if "error" in reply:
            raise Hdf5Error(reply["error"])
        return reply, payload

    def close(self) -> None:
        """End the child process, if there is one."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """Discard the child process after a fork: it belongs to the parent."""
        self._lock, self._worker = threading.Lock(), None

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


LIBRARY = Library()
atexit.register(LIBRARY.close)
os.register_at_fork(after_in_child=LIBRARY.forget)


@contextmanager
def library_source(path: Path, handle: int) -> Iterator[Source]:
    """Open an HDF5 file with the library. `handle` is a descriptor of the same file."""
    description, numbers = LIBRARY.ask(path, {"op": "describe"}, most=MAX_INDEX_BYTES)
    file = _LibraryFile(path, handle, description, np.frombuffer(numbers, np.int64))
    try:
        yield Source(
            "HDF5",
            file.arrays,
            file.blocks,
            file.runs,
            file.check,
            _attributes(description["attrs"]),
            {name: _attributes(attrs) for name, attrs in description["array_attrs"].items()},
            description["links"],
        )
    finally:
        if any("rows" in method for method in description["methods"].values()):
            with suppress(Hdf5Error, UnreadableError, OSError):  # the child or the file no longer exists
                LIBRARY.ask(path, {"op": "close"})


class _LibraryFile:
    """A file as described by the child, and its rows."""

    def __init__(self, path: Path, handle: int, description: Mapping[str, Any], numbers: NDArray[np.int64]) -> None:
        self.arrays = {name: (tuple(shape), dtype) for name, (shape, dtype) in description["arrays"].items()}
        self._path, self._handle = path, handle
        self._reported: Mapping[str, Mapping[str, Any]] = description["methods"]
        self._methods: dict[str, ReadMethod] = {}
        start = 0
        for name, method in self._reported.items():
            if "numbers" in method:
                self._methods[name] = _method(method, numbers[start : start + method["numbers"]], self.arrays[name])
                start += method["numbers"]

    def check(self, name: str) -> None:
        """Raise if the rows of an array cannot be read."""
        method = self._reported[name]
        if "error" in method:
            raise Hdf5Error(method["error"])
        if "refused" in method:
            raise UnreadableError(where=self._path, **method["refused"])

    def runs(self, name: str) -> Runs | None:
        """The bytes of an array in the file, if they are plain."""
        self.check(name)
        method = self._methods.get(name)
        return method if isinstance(method, Runs) else None

    def blocks(self, name: str, rows: int = 0) -> Iterator[NDArray[Any]]:
        """Rows of an array, block by block; the next block overwrites the previous one."""
        self.check(name)
        shape, dtype = self.arrays[name]
        if name in self._methods:
            return read_blocks(self._methods[name], self._handle, shape, np.dtype(dtype), rows)
        return self._through_child(name, int(self._reported[name]["rows"]))

    def _through_child(self, name: str, rows: int) -> Iterator[NDArray[Any]]:
        """Blocks from the child, which reads the next one in the meantime."""
        shape, dtype = self.arrays[name]
        n, dim = table_shape(shape)
        memory = [np.empty((min(rows, n), dim), dtype) for _ in range(min(2, -(-n // rows)))]

        def fetch(number: int) -> NDArray[Any]:
            start = number * rows
            block = memory[number % 2][: min(rows, n - start)]
            request = {"op": "rows", "name": name, "start": start, "count": len(block)}
            _, payload = LIBRARY.ask(self._path, request, into=block.data.cast("B"))
            if len(payload) != block.nbytes:
                raise EOFError(f"the library returned {len(payload)} bytes for {len(block)} rows")
            return block

        if len(memory) < 2:
            yield from map(fetch, range(len(memory)))
            return
        with ThreadPoolExecutor(1) as ahead:
            following = ahead.submit(fetch, 0)
            for number in range(1, -(-n // rows) + 1):
                block = following.result()
                if number * rows < n:
                    following = ahead.submit(fetch, number)
                yield block


def _method(reported: Mapping[str, Any], numbers: NDArray[np.int64], array: tuple[tuple[int, ...], str]) -> ReadMethod:
    if "filters" not in reported:
        offsets, sizes = numbers.reshape(2, -1)
        return Runs(offsets, sizes, np.cumsum(sizes))
    (shape, dtype), chunks = array, Chunks(*numbers.reshape(3, -1))
    return Tiles(shape, tuple(reported["sides"]), np.dtype(dtype), tuple(reported["filters"]), chunks)


def _attributes(encoded: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as h5py returns them, from the child's encoding."""
    return {name: _attribute(*value) for name, value in encoded.items()}


def _attribute(kind: str, shape: list[int] | None, value: str) -> Any:
    if kind == "text":
        return value
    if kind == "bytes":
        return np.bytes_(bytes.fromhex(value))
    numbers = np.frombuffer(bytes.fromhex(value), np.dtype(kind))
    return numbers[0] if shape is None else numbers.reshape(shape).copy()


def _lost(path: Path, error: WorkerError, limit_s: float) -> UnreadableError:
    do = "The file is damaged: copy or extract it again."
    if isinstance(error, WorkerHangsError):
        what, got = "cannot be read: the HDF5 library does not respond", f"no answer within {limit_s:.0f} s"
    else:
        what, got = "cannot be read: the HDF5 library crashed", str(error)
    return UnreadableError(what, where=path, got=got, do=do)
