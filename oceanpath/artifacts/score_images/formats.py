"""The formats in which images of patch scores are written: one line per format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from oceanpath.artifacts.score_images.dicom import write_parametric_map
from oceanpath.artifacts.score_images.ome_tiff import write_ome_tiff
from oceanpath.artifacts.score_images.ome_zarr import write_ome_zarr
from oceanpath.artifacts.score_images.raster import ScoreImage
from oceanpath.errors import MissingExtraError


@dataclass(frozen=True)
class ImageFormat:
    """A format of images."""

    suffix: str
    write: Callable[[Path, ScoreImage], None]
    package: str = ""
    """A package that is needed and not always installed."""
    extra: str = ""
    """The extra of OceanPath that installs it."""


FORMATS = {
    "ome-tiff": ImageFormat(".ome.tiff", write_ome_tiff),
    "ome-zarr": ImageFormat(".ome.zarr", write_ome_zarr, "zarr", "formats"),
    "dicom": ImageFormat(".dcm", write_parametric_map, "highdicom", "dicom"),
}
"""Option of `oceanpath predict` → format."""


def check_packages(options: Iterable[str]) -> None:
    """Raise MissingExtraError if a format that these options request needs a package that is not installed."""
    for option, known in FORMATS.items():
        if option in options and known.package and find_spec(known.package) is None:
            do = f"Install it with: python -m pip install 'oceanpath[{known.extra}]'"
            raise MissingExtraError(f"--{option} needs the package {known.package}, which is not installed", do=do)
