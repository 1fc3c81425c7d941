"""Scores of patches as a pyramidal OME-TIFF: QuPath, Fiji (Bio-Formats), napari and Python read the numbers."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from oceanpath import __version__
from oceanpath.artifacts.score_images.raster import ScoreImage

TILE = (256, 256)
BIG_BYTES = 2**31
"""Images from this size on are written as BigTIFF."""
UM_PER_CM = 10_000
IMAGE_IDS = uuid.UUID("1d8f3c52-2f0e-5d4b-8a53-0f6b7a9c4e11")
"""Namespace of the ids of files."""


def write_ome_tiff(path: Path, image: ScoreImage) -> None:
    """Write an image with its lower levels. Equal images give equal bytes."""
    from tifffile import TiffWriter

    levels, (width_um, height_um) = image.lower_levels(), image.pixel_um
    metadata = {
        "axes": "CYX",
        "Name": image.slide_id,
        "Channel": {"Name": list(image.names)},
        "PhysicalSizeX": width_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": height_um,
        "PhysicalSizeYUnit": "µm",
        "UUID": str(uuid.uuid5(IMAGE_IDS, image.slide_id)),
        "Creator": f"OceanPath {__version__}",
    }
    options: dict[str, Any] = {"tile": TILE, "compression": "adobe_deflate", "photometric": "minisblack"}
    options |= {"software": f"OceanPath {__version__}", "resolutionunit": "CENTIMETER"}
    with TiffWriter(path, ome=True, bigtiff=image.values.nbytes >= BIG_BYTES) as file:
        per_cm = UM_PER_CM / width_um, UM_PER_CM / height_um
        file.write(image.values, subifds=len(levels), resolution=per_cm, metadata=metadata, **options)
        for number, level in enumerate(levels, 1):
            lower = per_cm[0] / 2**number, per_cm[1] / 2**number
            file.write(level, subfiletype=1, resolution=lower, metadata=None, **options)
