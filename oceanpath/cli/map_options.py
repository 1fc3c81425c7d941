"""Options of `oceanpath predict` that write maps of every slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Path | None
Attention = Annotated[
    Folder, typer.Option("--attention", help="Folder for the attention of every patch, one CSV file per slide.")
]
Heatmap = Annotated[Folder, typer.Option("--heatmap", help="Folder for attention maps, one PNG file per slide.")]
GeoJson = Annotated[
    Folder, typer.Option("--geojson", help="Folder for attention maps for QuPath, one GeoJSON file per slide.")
]
OmeTiff = Annotated[
    Folder, typer.Option("--ome-tiff", help="Folder for maps as images with physical pixel sizes, OME-TIFF.")
]
OmeZarr = Annotated[Folder, typer.Option("--ome-zarr", help="The same as OME-Zarr.")]
Dicom = Annotated[Folder, typer.Option("--dicom", help="The same as DICOM Parametric Maps.")]
Contributions = Annotated[
    bool, typer.Option("--contributions", help="Add to all maps what each patch contributes to the prediction.")
]
