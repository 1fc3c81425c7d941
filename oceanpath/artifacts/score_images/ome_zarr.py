"""Scores of patches as an OME-Zarr image, version 0.5 (zarr 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.score_images.raster import ScoreImage

CHUNK = 256
AXES = [{"name": "c", "type": "channel"}, *({"name": name, "type": "space", "unit": "micrometer"} for name in "yx")]


def write_ome_zarr(path: Path, image: ScoreImage) -> None:
    """Write an image with its lower levels, one array per level."""
    import zarr  # of the extra `formats`

    levels = [image.values, *image.lower_levels()]
    root = zarr.open_group(path, mode="w", attributes={"ome": _metadata(image, len(levels))})
    for number, level in enumerate(levels):
        chunks = (1, min(CHUNK, level.shape[1]), min(CHUNK, level.shape[2]))
        array = root.create_array(
            str(number), shape=level.shape, dtype=level.dtype, chunks=chunks, fill_value=float("nan"),
            dimension_names=[axis["name"] for axis in AXES],
        )  # fmt: skip
        array[:] = level


def _metadata(image: ScoreImage, levels: int) -> dict[str, Any]:
    """The attribute `ome` of the group; a pixel of a level begins where the first one of its square begins."""
    width_um, height_um = image.pixel_um
    datasets = []
    for number in range(levels):
        scale = [1.0, height_um * 2**number, width_um * 2**number]
        # coordinates of OME-Zarr are those of the centres of pixels
        shift = [0.0, *((size - base) / 2 for size, base in zip(scale[1:], image.plane.mpp[::-1], strict=True))]
        transformations = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]
        datasets.append({"path": str(number), "coordinateTransformations": transformations})
    multiscale = {"name": image.slide_id, "axes": AXES, "datasets": datasets, "type": "mean"}
    channels = [_channel(name, values) for name, values in zip(image.names, image.values, strict=True)]
    return {"version": "0.5", "multiscales": [multiscale], "omero": {"channels": channels}}


def _channel(name: str, values: NDArray[np.float32]) -> dict[str, Any]:
    """How a viewer displays a channel at first: from its smallest to its largest score."""
    scores = values[np.isfinite(values)]
    low, high = float(scores.min(initial=0.0)), float(scores.max(initial=0.0))
    window = {"min": low, "max": high, "start": low, "end": high}
    return {"label": name, "color": "FFFFFF", "active": True, "window": window}
