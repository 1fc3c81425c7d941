"""Patch features of one slide, written by `extract` or by other tools.

    <slide_id>.h5   features [N, D]   float16, contiguous
                    coords   [N, 2]   int32, level-0 pixels, x then y, top-left corner of the patch
                    tissue_fraction [N]  float16, the fraction of tissue in each patch, if measured
                    attributes of the file: the fields of `FeatureMeta`

A slide without tissue has N = 0 and the attribute `blank`: it was processed and has no bag.

The reader also accepts float32, float64 (read as float32), a leading axis of length 1, the dataset names of
`oceanpath.artifacts.features.layouts`, TRIDENT's, CLAM's and AtlasPatch's attributes, `.pt` files with one tensor
or a dictionary of tensors (CLAM), `.npy` and `.npz` arrays, and `.zarr` folders. STAMP's coordinates in micrometres are
converted to pixels if the file states the mpp, and are otherwise ignored. `FeatureFile.layout` describes the layout.

All rows must be in the file itself: virtual datasets, external storage and links into other files are rejected,
because a change in another file would go unnoticed. Rows that were allocated and never written are rejected too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.features.container import CoordsSource, Source
from oceanpath.artifacts.features.folder import features_by_id as features_by_id
from oceanpath.artifacts.features.folder import find_features as find_features
from oceanpath.artifacts.features.layouts import PATCH, FeatureLayout, describe, describe_coords
from oceanpath.artifacts.features.metadata import FeatureMeta as FeatureMeta
from oceanpath.artifacts.features.metadata import read_meta as read_meta
from oceanpath.artifacts.features.sources import READABLE, open_source, open_with_coords
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.folders import Stat, stat_of
from oceanpath.hdf5.rows import table_shape

BITS: dict[int, tuple[Any, Any, int]] = {
    2: (np.int16, np.uint16, 0x7C00),
    4: (np.int32, np.uint32, 0x7F80_0000),
    8: (np.int64, np.uint64, 0x7FF0_0000_0000_0000),
}
"""Bytes of a float → the signed and unsigned integers of this size, and the bits of infinity (IEEE 754)."""
PIXELS = np.iinfo(np.int32).max
"""Maximum absolute coordinate."""
Bag = tuple[NDArray[np.floating], NDArray[np.int32] | None]


@dataclass(frozen=True)
class FeatureFile(FeatureLayout):
    """One feature file as scanned by `scan_features`, without its rows."""

    path: Path
    slide_id: str
    stamp: tuple[int, int, int]
    """Size, modification time [ns] and inode when it was scanned."""
    stored: Mapping[str, tuple[tuple[int, ...], str]]
    """Shape and stored type of the arrays to read."""
    places: CoordsSource
    """Their bytes in the file, if they are stored as in a numpy array."""


def write_features(
    path: Path,
    features: NDArray[np.floating],
    coords: NDArray[np.integer[Any]],
    meta: FeatureMeta,
    tissue: NDArray[np.floating] | None = None,
) -> None:
    """Write one slide. Equal arguments give equal bytes.

    Args:
        path: The file to write, `<slide_id>.h5`.
        features: [N, D], stored as float16.
        coords: [N, 2] level-0 top-left pixels.
        meta: Stored as attributes.
        tissue: [N], the fraction of tissue in each patch.

    Raises: ArtifactError: patches on a blank slide or none on another, N or D differ, or a value is not finite
        as float16.
    """
    if features.ndim != 2 or coords.shape != (len(features), 2) or features.shape[1] != meta.feature_dim:
        shapes = f"features {features.shape}, coords {coords.shape}"
        raise ArtifactError("shapes do not agree", where=path, expected=f"[N, {meta.feature_dim}], [N, 2]", got=shapes)
    if tissue is not None and tissue.shape != (len(features),):
        raise ArtifactError("shapes do not agree", where=path, expected=[len(features)], got=f"tissue {tissue.shape}")
    if meta.blank and len(features):
        raise ArtifactError("a blank slide has patches", where=path, got=len(features))
    with np.errstate(over="ignore"):  # an overflow gives inf, which is rejected below
        half = features.astype(np.float16)
    if not meta.blank:
        _validate(half, path)
    # without a lock: the file is still private, and not every file system has locks
    with h5py.File(path, "w", locking=False) as file:
        file.create_dataset("features", data=half, track_times=False)
        file.create_dataset("coords", data=coords.astype(np.int32), track_times=False)
        if tissue is not None:
            file.create_dataset("tissue_fraction", data=tissue.astype(np.float16), track_times=False)
        for name, value in meta.attributes().items():
            file.attrs[name] = value


def _anything(layout: FeatureLayout) -> None:
    """Accept every layout."""


def scan_features(
    path: Path, wanted: str = "", accept: Callable[[FeatureLayout], None] = _anything, level: str = PATCH
) -> FeatureFile:
    """Shapes, types and origin of a feature file. Reads no rows.

    Args:
        path: The file.
        wanted: Name of the features (`data.features_key`), if a file has several candidates.
        accept: Raises for a layout that is not accepted, before its rows are located.
        level: Of its features, as of `describe`.

    Raises: ArtifactError: unreadable, no known dataset, no patches, wrong shapes, or coords of another length.
    """
    path = Path(path)
    stamp = stamp_of(path) if path.suffix.lower() in READABLE else (0, 0, 0)
    with open_source(path) as source:
        layout = describe(source, path, wanted, level)
        accept(layout)
        stored = {key: source.arrays[key] for key in _keys(layout)}
        for key in stored:
            source.check(key)
        places = {key: runs for key in stored if (runs := source.runs(key)) is not None}
    return FeatureFile(path=path, slide_id=slide_id(path), stamp=stamp, stored=stored, places=places, **vars(layout))


def layout_of(path: Path, wanted: str = "", level: str = PATCH) -> FeatureLayout:
    """Shapes and types of a feature file without locating its rows, for many files.

    Raises: ArtifactError: as `scan_features`.
    """
    with open_source(path) as source:
        layout = describe(source, path, wanted, level)
        for key in _keys(layout):
            source.check(key)
        return layout


def _keys(layout: FeatureLayout) -> list[str]:
    return [key for key in (layout.features_key, layout.coords_key) if key]


@dataclass(frozen=True)
class OpenBag:
    """A feature file that is open for one read; see `open_bag`."""

    file: FeatureFile
    source: Source

    def coords(self) -> NDArray[np.int32] | None:
        """Level-0 top-left pixels [N, 2], or None if the file has no usable coordinates."""
        if not self.file.has_coords:
            return None
        if not self.file.n:
            return np.empty((0, 2), np.int32)
        width = self.file.stored[self.file.coords_key][0][-1]
        places = [block[:, :2].copy() for block in self._blocks(self.file.coords_key, (self.file.n, width))]
        return _pixels(np.concatenate(places), self.file.coords_scale, self.file.path)

    def blocks(self, rows: int = 0) -> Iterator[NDArray[np.floating]]:
        """Blocks of features [m, D] in order, of type `file.dtype`, unchecked; each may overwrite the previous one.

        They have `rows` rows if the file allows it; default: about 4 MiB.
        """
        for block in self._blocks(self.file.features_key, (self.file.n, self.file.dim), rows):
            with np.errstate(over="ignore"):  # an overflow gives inf, which callers reject
                features = block.astype(self.file.dtype, copy=False)
            yield features

    def _blocks(self, key: str, shape: tuple[int, int], rows: int = 0) -> Iterator[NDArray[Any]]:
        path, n = self.file.path, 0
        if key not in self.source.arrays:
            raise ArtifactError("a dataset is missing since the file was scanned", where=path, expected=key)
        got = self.source.arrays[key][0]
        if table_shape(got) != shape:
            raise ArtifactError("a dataset changed since the file was scanned", where=path, expected=shape, got=got)
        for block in self.source.blocks(key, rows):
            n += len(block)
            yield block
        if n != shape[0]:
            raise ArtifactError("a dataset is shorter than its shape", where=path, expected=shape[0], got=n)


@contextmanager
def open_bag(file: FeatureFile) -> Iterator[OpenBag]:
    """Open a scanned file to read its bag, once.

    Raises: ArtifactError: the file is damaged, or changed since the scan, at its start or end.
    """
    _unchanged(file)
    known = file.places.keys() == file.stored.keys()
    with open_with_coords(file.path, file.stored, file.places) if known else open_source(file.path) as source:
        yield OpenBag(file, source)
    _unchanged(file)


def read_features(file: FeatureFile) -> Bag:
    """The bag of one slide.

    Returns:
        features [N, D], float16 or float32 as `file.dtype` says, and coords [N, 2] int32 level-0
        top-left pixels, or None if the file has no usable coordinates.

    Raises: ArtifactError: the file changed since the scan, is damaged, or contains NaN or inf.
    """
    features, filled = np.empty((file.n, file.dim), file.dtype), 0
    with open_bag(file) as bag:
        coords = bag.coords()
        for block in bag.blocks():
            features[filled : filled + len(block)] = block
            filled += len(block)
    if not file.blank:
        _validate(features, file.path)
    return features, coords


def read_coords_file(path: Path) -> tuple[NDArray[np.int32], float | None]:
    """The coordinates in a file of OceanPath, TRIDENT, CLAM or AtlasPatch, with or without features.

    Returns: coords [N, 2] int32, level-0 top-left pixels, and the side of a patch in level-0 pixels; None if unknown.

    Raises: ArtifactError: unreadable, no coordinates, or no patches.
    """
    with open_source(path) as source:
        layout = describe_coords(source, path)
        source.check(layout.key)
        stored = np.concatenate([block[:, :2].copy() for block in source.blocks(layout.key)])
    return _pixels(stored, layout.scale, path), layout.patch_px_level0


def check_features(path: Path) -> None:
    """Read every feature file below `path` completely.

    Raises: ArtifactError: a file is damaged, not finite, empty, or feature lengths differ.
    """
    dims: dict[int, Path] = {}
    try:
        files = find_features(path)
    except ExperimentError as error:
        raise ArtifactError(error.what, where=error.where, expected=error.expected, got=error.got) from error
    for place in files.values():
        file = scan_features(place)
        read_features(file)
        dims.setdefault(file.dim, place)
    if len(dims) > 1:
        got = ", ".join(f"{dim} in {place.name}" for dim, place in dims.items())
        raise ArtifactError("slides have different feature lengths", where=path, got=got)


def stamp_of(path: Path) -> Stat:
    """Size, modification time [ns] and inode of a file. Raises: ArtifactError: there is no such file."""
    try:
        return stat_of(path)
    except OSError as error:
        what = "the target of this link does not exist" if path.is_symlink() else "cannot be read"
        got = path.readlink() if path.is_symlink() else error.strerror
        raise ArtifactError(what, where=path, got=got) from error


def _unchanged(file: FeatureFile) -> None:
    if stamp_of(file.path) != file.stamp:
        raise ArtifactError("the file changed since it was scanned", where=file.path, do="Start again.")


def _pixels(stored: NDArray[Any], scale: float, path: Path) -> NDArray[np.int32]:
    if scale == 1.0 and stored.dtype == np.int32 and int(stored.min()) >= -PIXELS:
        return stored
    values = np.rint(np.asarray(stored, np.float64) * scale)
    if not np.isfinite(values).all() or (np.abs(values) > PIXELS).any():
        raise ArtifactError("coordinates are not finite 32-bit pixels", where=path)
    return values.astype(np.int32)


def _validate(features: NDArray[np.floating], path: Path) -> None:
    """Raise unless there are patches and every value is finite."""
    if not len(features):
        raise ArtifactError("no patches", where=path, do="Leave this slide out, or extract it again.")
    if not all_finite(features):
        raise not_finite(path, np.flatnonzero(~np.isfinite(features).all(axis=1)), len(features))


def not_finite(path: Path, rows: NDArray[np.int64], n: int) -> ArtifactError:
    """The error that names the patches `rows` of `n` in a file."""
    got = f"{len(rows)} of {n} patches, first at row {int(rows[0])}"
    return ArtifactError("features are NaN or infinite", where=path, got=got)


def all_finite(values: NDArray[np.floating]) -> bool:
    """Whether no value of a float16, float32 or float64 array is NaN or infinite.

    IEEE 754 orders the bits of floats as integers: NaN and inf are at least the pattern with all bits of the exponent
    set, with or without the sign bit. Two maxima are many times faster than `isfinite`, which widens float16.
    """
    if not values.size:
        return True
    signed, unsigned, infinity = BITS[values.dtype.itemsize]
    sign = 1 << 8 * values.dtype.itemsize - 1
    return int(values.view(signed).max()) < infinity and int(values.view(unsigned).max()) < infinity + sign
