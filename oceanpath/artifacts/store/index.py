"""The index of a store: one entry per slide, in memory-mapped columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.store.columns import check_columns, map_columns, write_columns
from oceanpath.errors import ArtifactError

FORMAT = 2
INDEX = "index_arrays.npz"
TEXTS = ("feature_dtype", "encoder")
POSITION_FIELDS = ("chunk_ids", "feature_offsets", "coord_offsets", "check_reads")
"""Fields that state the location of bags, not their content."""


@dataclass(frozen=True)
class Index:
    """The arrays of index_arrays.npz; one entry per slide unless stated otherwise."""

    slide_ids: NDArray[np.bytes_]
    lengths: NDArray[np.int64]
    raw_lengths: NDArray[np.int64]
    chunk_ids: NDArray[np.int64]
    feature_offsets: NDArray[np.int64]
    coord_offsets: NDArray[np.int64]
    digests: NDArray[np.bytes_]
    patch_px_level0: NDArray[np.float64]
    feature_dim: int
    feature_dtype: str
    has_coords: bool
    encoder: str
    check_reads: bool = False
    """No longer used: readers compare each bag with its digest by default."""

    def save(self, path: Path) -> None:
        """Write index_arrays.npz below `path`."""
        arrays = {"format": np.asarray(FORMAT)} | {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        write_columns(path / INDEX, arrays | {name: np.asarray(getattr(self, name).encode()) for name in TEXTS})

    @classmethod
    def load(cls, path: Path) -> Index:
        """Map index_arrays.npz below `path`; a column's bytes are read at first access.

        Raises: ArtifactError: missing, truncated or of another format.
        """
        columns: dict[str, Any] = dict(map_columns(path / INDEX))
        if int(columns.pop("format", -1)) != FORMAT or set(columns) != {field.name for field in fields(cls)}:
            raise ArtifactError("unknown store format", where=path / INDEX, expected=FORMAT)
        columns["feature_dim"] = int(columns["feature_dim"])
        columns |= {name: bool(columns[name]) for name in ("has_coords", "check_reads")}
        for name in TEXTS:
            columns[name] = columns[name].item().decode()
        return cls(**columns)

    @staticmethod
    def check(path: Path) -> None:
        """Read index_arrays.npz below `path` completely. Raises: ArtifactError: it is damaged."""
        check_columns(path / INDEX)

    def find(self, slide_id: str) -> int | None:
        """Position of a slide, by bisection in the sorted ids; None if there is no such slide."""
        name = slide_id.encode()
        if len(name) > self.slide_ids.dtype.itemsize:  # the search would widen the whole column
            return None
        at = int(np.searchsorted(self.slide_ids, np.array(name, self.slide_ids.dtype)))
        return at if at < len(self.slide_ids) and self.slide_ids[at] == name else None

    def rows(self) -> dict[str, NDArray[Any]]:
        """The columns with one entry per slide."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}

    def with_rows(self, rows: Mapping[str, NDArray[Any]]) -> Index:
        """The same index with other slides."""
        columns: dict[str, Any] = dict(rows)
        return replace(self, **columns)

    def slide_id(self, i: int) -> str:
        """The id of slide `i`."""
        return str(self.slide_ids[i].decode())

    def content_digest(self) -> str:
        """xxh3-128 hex digest of the content of the store, independent of the files that contain its bags."""
        digest = xxhash.xxh3_128()
        for field in fields(self):
            if field.name not in POSITION_FIELDS:
                value = np.asarray(getattr(self, field.name))
                digest.update(f"{field.name} {value.dtype.str} {value.shape} ".encode())
                digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def chunk_name(kind: str, number: int) -> str:
    """File name of a chunk; `kind` is ``features`` or ``coords``."""
    return f"{kind}_{number:03d}.bin"
