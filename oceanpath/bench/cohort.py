"""Feature files in the layouts of common tools, with realistic bag lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

LAYOUTS: dict[str, dict[str, Any]] = {
    "trident": {"features": {"chunks": "row"}, "coords": {"chunks": "row"}},
    "clam": {"features": {"chunks": "band"}, "coords": {"chunks": "row"}},
    "contiguous": {"features": {}, "coords": {}},
    "gzip": {"features": {"compression": "gzip"}, "coords": {}},
}
"""Tool → layout: one HDF5 chunk per patch, 32 patches per chunk, no chunks, compressed."""
BAND = 32


def bag_lengths(slides: int, median: int, seed: int = 0) -> NDArray[np.int64]:
    """Patches per slide, log-normal (sigma 0.8), between 100 and ten medians."""
    drawn = np.random.default_rng(seed).lognormal(np.log(median), 0.8, slides)
    return drawn.astype(np.int64).clip(min(100, median), 10 * median)


def write_cohort(folder: Path, layout: str, lengths: NDArray[np.int64], dim: int, dtype: str) -> None:
    """One HDF5 file per slide below `folder`: features [N, `dim`] of `dtype` and coords [N, 2]."""
    random = np.random.default_rng(0)
    pool = random.standard_normal((int(lengths.max()), dim), dtype=np.float32).astype(dtype)
    folder.mkdir(parents=True)
    for number, n in enumerate(lengths.tolist()):
        arrays = {"features": pool[:n], "coords": random.integers(0, 99_999, (n, 2)).astype(np.int32)}
        with h5py.File(folder / f"slide_{number:05d}.h5", "w") as file:
            for name, values in arrays.items():
                file.create_dataset(name, data=values, **_options(LAYOUTS[layout][name], values))


def _options(layout: dict[str, Any], values: NDArray[Any]) -> dict[str, Any]:
    if "chunks" not in layout:
        return layout
    rows = 1 if layout["chunks"] == "row" else min(BAND, len(values))
    return {"chunks": (rows, values.shape[1]), "maxshape": (None, values.shape[1])}
