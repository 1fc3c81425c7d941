"""Arrays in numpy's format; invalid bytes raise only ValueError, and nothing is unpickled."""

from __future__ import annotations

import math
import os
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

NPY_MAGIC = b"\x93NUMPY"
READERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
FAULTS = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError, tokenize.TokenError)
"""Exceptions of numpy for a header that it cannot parse."""
MAX_SIZE, MAX_SHOWN = 2**63 - 1, 100


class NpyHeader(NamedTuple):
    """Type and shape of an array in numpy's format."""

    shape: tuple[int, ...]
    fortran: bool
    """Whether the first axis is contiguous."""
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the values, which follow the header."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def order(self) -> Literal["C", "F"]:
        """Name of the axis order in numpy."""
        return "F" if self.fortran else "C"


def read_npy_header(stream: BinaryIO) -> NpyHeader:
    """The header of an array; `stream` is then at its values.

    Raises: ValueError: not such an array, or its header is damaged or has an impossible shape.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version not in READERS:
            raise ValueError(f"version {version[0]}.{version[1]} of .npy is not supported")
        shape, fortran, dtype = READERS[version](stream)
    except FAULTS as error:
        reason = str(error).partition("\n")[0][:MAX_SHOWN]
        raise ValueError(f"the .npy header cannot be parsed: {reason}") from error
    if not all(type(side) is int and side >= 0 for side in shape):  # numpy accepts True and negative numbers
        raise ValueError(f"the .npy header has an impossible shape: {str(shape)[:MAX_SHOWN]}")
    header = NpyHeader(shape, fortran, dtype)
    if header.nbytes > MAX_SIZE:
        raise ValueError(f"the .npy header has an impossible shape: {str(shape)[:MAX_SHOWN]}")
    return header


def map_npy(path: Path) -> NDArray[Any]:
    """The numbers in a `.npy` file, as a read-only view of the mapped file.

    Raises: OSError: it cannot be read. ValueError: it has no plain numbers, or their size differs from its header.
    """
    with path.open("rb") as file:
        header, start = read_npy_header(file), file.tell()
        rest = os.fstat(file.fileno()).st_size - start
        if header.dtype.kind not in "fiu":
            raise ValueError(f"the .npy has {header.dtype}, not numbers")
        if rest != header.nbytes:
            raise ValueError(f"the .npy has {rest} bytes, but its header states {header.nbytes}")
        if not rest:
            return np.zeros(header.shape, header.dtype)
        return np.memmap(file, header.dtype, "r", start, header.shape, header.order)
