"""Features from an HDF5 file that a stranger sent.

HDF5 was not made for files of strangers: it follows links into other files, unpacks without bound, and a damaged count
makes it read for hours. So everything a feature file does not need is refused before the reader sees it. What is left,
endless loops in damaged bytes, is caught by `hdf5_reader`, which runs this module in a process of its own.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from oceanpath.artifacts.features import read_features, scan_features
from oceanpath.errors import ArtifactError
from oceanpath.serving.problems import BadFeaturesError, MalformedError, NoPatchesError, QuestionError, TooLargeError
from oceanpath.serving.question import Limits, Question, hold_size

MAGIC = b"\x89HDF\r\n\x1a\n"
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError, AttributeError)
"""What h5py raises for bytes that are no HDF5 any more."""
MOST_LINKS, DEEPEST = 1000, 8
"""A feature file has two datasets and perhaps a group."""
MOST_ATTRIBUTES, LONGEST_ATTRIBUTE = 100, 1000
"""A damaged attribute can say that it holds more numbers than can be read in a day."""


def decode_h5(path: Path, limits: Limits) -> Question:
    """The question in an HDF5 file of any layout that `oceanpath.artifacts.features` reads.

    Raises: MalformedError, TooLargeError, NoPatchesError, BadFeaturesError; none of them names the path.
    """
    _inspect(path, limits)
    try:
        scanned = scan_features(path)
        hold_size((scanned.n, scanned.dim), 4, limits)
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, and inf is refused by name
            features, coords = read_features(scanned)
    except QuestionError:
        raise
    except ArtifactError as error:
        raise BadFeaturesError(error.what, expected=error.expected, got=error.got) from error
    except DAMAGE as error:
        raise MalformedError("the .h5 is damaged", got=type(error).__name__) from error
    return Question(features, coords, scanned.provenance)


def _inspect(path: Path, limits: Limits) -> None:
    """Refuse what HDF5 could be made to do: read other files, unpack without bound, or recurse until the stack ends."""
    try:
        with h5py.File(path, "r") as file:
            waiting, seen = [(file, 0)], 0
            while waiting:
                group, depth = waiting.pop()
                _inspect_attributes(group)
                for name in group:
                    seen += 1
                    if seen > MOST_LINKS or depth > DEEPEST:
                        raise MalformedError("the .h5 is nested too deep or holds too much", expected="plain datasets")
                    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                        raise MalformedError("the .h5 holds a link", expected="plain datasets", got=name)
                    item = group[name]
                    if isinstance(item, h5py.Group):
                        waiting.append((item, depth + 1))
                    elif isinstance(item, h5py.Dataset):
                        _inspect_dataset(item, limits)
    except DAMAGE as error:
        raise MalformedError("the .h5 is damaged or cut off", got=type(error).__name__) from error


def _inspect_attributes(item: Any) -> None:
    if len(item.attrs) > MOST_ATTRIBUTES:
        raise MalformedError("an object of the .h5 has too many attributes", got=item.name)
    for name in item.attrs:
        attribute = item.attrs.get_id(name)
        numbers = math.prod(attribute.shape or ())
        if numbers > LONGEST_ATTRIBUTE or numbers * attribute.dtype.itemsize > 64 * LONGEST_ATTRIBUTE:
            raise MalformedError("an attribute of the .h5 is too long", got=name)


def _inspect_dataset(item: Any, limits: Limits) -> None:
    _inspect_attributes(item)
    if item.is_virtual or item.external:
        raise MalformedError("a dataset of the .h5 lies in another file", expected="plain datasets", got=item.name)
    if item.dtype.kind in "fiu":
        if item.ndim and item.shape[-2:-1] == (0,) and item.name.rsplit("/", 1)[-1] in {"features", "feats"}:
            raise NoPatchesError("the slide has no patches", expected="at least one")
        size = math.prod(item.shape) * item.dtype.itemsize
        if size > limits.max_bytes:
            raise TooLargeError(
                "a dataset of the .h5 is over the limit", expected=f"{limits.max_bytes} bytes", got=size
            )
