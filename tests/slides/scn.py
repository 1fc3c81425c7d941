"""Writes a Leica SCN file: a scanned area inside a larger level 0, and pixels that need not be square."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

XML = """<?xml version="1.0"?>
<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" uuid="s">
<collection name="c" uuid="c" sizeX="{width}" sizeY="{height}">{macro}{scan}</collection></scn>"""
IMAGE = """<image name="{ifd}" uuid="{ifd}"><creationDate>2011-01-01T00:00:00Z</creationDate>
<device model="m" version="1"/>
<pixels sizeX="{px}" sizeY="{py}"><dimension sizeX="{px}" sizeY="{py}" r="0" ifd="{ifd}"/></pixels>
<view sizeX="{width}" sizeY="{height}" offsetX="{left}" offsetY="{top}" spacingZ="0"/>
<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings>
<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield</illuminationSource>
</illuminationSettings></scanSettings></image>"""
MACRO_PX = 256


def write_scn(path: Path, area: NDArray[np.uint8], corner: tuple[int, int], mpp: tuple[float, float]) -> None:
    """Write `area` [h, w, 3] as the scanned area, with its corner at `corner` (x, y) of a level 0 of 4096 x 4096.

    OpenSlide reads the positions of Leica's XML with one size of pixels, and their resolution from the tags.
    """
    height, width = area.shape[:2]
    nm = round(1000 * mpp[0])
    whole = {"width": 4096 * nm, "height": 4096 * nm}
    macro = IMAGE.format(ifd=1, px=MACRO_PX, py=MACRO_PX, left=0, top=0, **whole)
    size = {"px": width, "py": height, "width": width * nm, "height": height * nm}
    scan = IMAGE.format(ifd=0, left=corner[0] * nm, top=corner[1] * nm, **size)
    tiles: dict[str, Any] = {"tile": (256, 256), "photometric": "rgb", "compression": "jpeg", "metadata": None}
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        per_cm = (1e4 / mpp[0], 1e4 / mpp[1])
        description = XML.format(macro=macro, scan=scan, **whole)
        tiff.write(area, description=description, resolution=per_cm, resolutionunit=3, **tiles)
        tiff.write(np.full((MACRO_PX, MACRO_PX, 3), 255, np.uint8), **tiles)
