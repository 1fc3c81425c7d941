"""The interface of open feature containers, and the causes of files that cannot be read."""

from __future__ import annotations

import errno
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from oceanpath.errors import ArtifactError
from oceanpath.hdf5.byte_runs import Runs, is_implausible

Arrays = Mapping[str, tuple[tuple[int, ...], str]]
"""Array name → shape and dtype name."""
CoordsSource = Mapping[str, Runs]
"""Array name → its bytes in the file."""


class Blocks(Protocol):
    """Reads the rows of an array."""

    def __call__(self, name: str, rows: int = 0, /) -> Iterator[NDArray[Any]]:
        """Blocks of `rows` rows, or of any number where the container determines it; default: about 4 MiB."""


class UnreadableError(ArtifactError):
    """The bytes of a file do not match its format, or its rows are not in it."""


class Hdf5Error(Exception):
    """An error of the HDF5 library, with its text."""


DAMAGE = (
    *(ArithmeticError, AttributeError, EOFError, Hdf5Error, LookupError, MemoryError, OSError, RuntimeError, TypeError),
    *(ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile, zlib.error),
)
"""Exceptions of HDF5, torch, numpy and zarr for a truncated file or one of another format."""


def _nothing(name: str) -> None:
    """Accept every array."""


@dataclass(frozen=True)
class Source:
    """An open container: array names with shapes and types, attributes, and functions to read the rows of one array."""

    kind: str
    arrays: Arrays
    """Arrays of numbers only."""
    blocks: Blocks
    """Rows [m, D] of an array [N, D], [1, N, D] or [D] by its name, in order, as stored. The next block may overwrite
    it."""
    runs: Callable[[str], Runs | None] = lambda _: None
    """The bytes of an array in the file, if they are stored as in a numpy array."""
    check: Callable[[str], None] = _nothing
    """Raise if the rows of an array cannot be read: in another file, never written, or of an unknown encoding."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    array_attrs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    """Name of each link → its target: an array of this container, or a file and an array in it."""


def guarded(source: Source, path: Path) -> Source:
    """The same source with errors that name the file and the cause."""

    def blocks(name: str, rows: int = 0) -> Iterator[NDArray[Any]]:
        with causes_named(path):
            yield from source.blocks(name, rows)

    def runs(name: str) -> Runs | None:
        with causes_named(path):
            return source.runs(name)

    def check(name: str) -> None:
        with causes_named(path):
            source.check(name)

    return replace(source, blocks=blocks, runs=runs, check=check)


@contextmanager
def causes_named(path: Path) -> Iterator[None]:
    """Convert exceptions of libraries to errors with the cause."""
    try:
        yield
    except DAMAGE as error:
        why, do = _cause(error)
        raise UnreadableError(f"cannot be read: {why}", where=path, got=first_line(error), do=do) from error


def refuse_bomb(name: str, nbytes: int, stored: int, path: Path) -> None:
    """Raise if stored bytes decompress to implausibly many; called before memory is allocated."""
    if is_implausible(nbytes, stored):
        got = f"{nbytes} bytes from {stored} stored bytes"
        raise UnreadableError(
            f"{name} decompresses to an implausible size", where=path, got=got, do="Extract it again."
        )


REPLACE_FILE = "Copy or extract the file again."
CAUSE_BY_ERRNO = {
    errno.ENOENT: ("there is no such file", ""),
    errno.EACCES: ("permission denied", "Change its permissions, or run as a user who may read it."),
    errno.EPERM: ("permission denied", "Change its permissions, or run as a user who may read it."),
    errno.EISDIR: ("it is a folder", ""),
    errno.EIO: ("the disk failed", "Check the disk and the system log."),
    errno.ESTALE: ("the network file system no longer has the file", "Run again when the disk is available."),
    errno.ENOLCK: ("its file system does not support locks", "Set HDF5_USE_FILE_LOCKING=FALSE."),
}
CAUSE_BY_TEXT = (
    ("unable to lock", "it is locked, or its file system has no locks", "Set HDF5_USE_FILE_LOCKING=FALSE."),
    (
        "already open for write",
        "a program has it open for writing, or ended while writing it",
        "Wait until the program has closed it; if no program writes to it, run h5clear -s on it or extract it again.",
    ),
    ("consistency flags", "a program ended while writing it", "Run h5clear -s on it, or extract it again."),
    (
        "for a feature file",
        "it contains more than a feature file can",
        "Store features and coordinates in a file of their own.",
    ),
    ("file signature not found", "it is not an HDF5 file", "Use the file that the extraction wrote."),
    ("truncated file", "it is truncated", REPLACE_FILE),
    ("the file ends", "it is truncated", REPLACE_FILE),
)
NO_GLOBAL = re.compile(r"GLOBAL (\S+)")
"""Pattern of torch's message about a class or function that a file would call."""


def _cause(error: BaseException) -> tuple[str, str]:
    """Why a file cannot be read, and what to do about it."""
    text = str(error)
    if isinstance(error, OSError) and error.errno in CAUSE_BY_ERRNO:
        return CAUSE_BY_ERRNO[error.errno]
    if isinstance(error, MemoryError):
        return "it needs more memory than is available", "Free memory, or leave this slide out."
    if isinstance(error, pickle.UnpicklingError) and (named := NO_GLOBAL.search(text)):
        what = "a numpy array" if named[1].startswith("numpy") else f"an object of {named[1]}"
        do = 'Save tensors instead: torch.save({"features": torch.as_tensor(features)}, path).'
        return f"it contains {what}, which cannot be loaded without running code of the file", do
    for words, why, do in CAUSE_BY_TEXT:
        if words in text:
            return why, do
    return "it is truncated or damaged", REPLACE_FILE


def first_line(error: BaseException) -> str:
    """The first line of a library's message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
