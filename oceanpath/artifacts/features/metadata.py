"""How the features of a slide were computed: the attributes of the files that `extract` writes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts.features.sources import open_source
from oceanpath.errors import ArtifactError

ADDED_LATER = ("undecodable_patches", "undecodable_share", "colour_profile", "tissue_origin")


@dataclass(frozen=True)
class FeatureMeta:
    """How the features of a slide were computed; stored as attributes of the file."""

    encoder: str
    feature_dim: int
    patch_px: int
    """Side of a patch at `target_mpp`, pixels."""
    target_mpp: float
    mpp_x: float
    mpp_y: float
    """Micrometres per level-0 pixel."""
    mpp_source: str
    patch_px_level0: float
    """Side of a patch in level-0 pixels along x."""
    level0_width: int
    level0_height: int
    slide_digest: str
    """xxh3-128 of the bytes of the slide."""
    tool_version: str
    encoder_revision: str = ""
    """Commit or version of the encoder's weights; empty if unknown, and in files of earlier versions."""
    weights_sha256: str = ""
    """The same for the weights file."""
    reader: str = ""
    """Reader of the pixels: `tiff_tiles`, `openslide` or another; empty in files of earlier versions."""
    reader_reason: str = ""
    """Why `tiff_tiles` was not used."""
    tissue_source: str = ""
    """`auto`, or the suffix of the file of tissue regions."""
    tissue_share: float = 0.0
    """Fraction of the slide that is tissue, 0 to 1."""
    ink_share: float = 0.0
    """Fraction of the slide that was excluded as pen or frame, 0 to 1."""
    blank: bool = False
    """Whether no patch of the slide has enough tissue."""
    undecodable_patches: int = 0
    """Number of tissue patches left out because their pixels cannot be decoded (`extract.on_bad_tile`)."""
    undecodable_share: float = 0.0
    """Fraction of the overview for tissue detection that could not be decoded and was treated as glass."""
    colour_profile: str = ""
    """Description of the ICC profile used to convert pixels to sRGB (`extract.colours`)."""
    tissue_origin: str = ""
    """`bounds` if contours are relative to the scanned area."""

    @property
    def footprint(self) -> tuple[float, float]:
        """Width and height of a patch in level-0 pixels: the same number of micrometres in x and y.

        The height can differ from the exact one, which needs the slide, by half a pixel of the level that was read.
        """
        return self.patch_px_level0, self.patch_px_level0 * self.mpp_x / self.mpp_y

    def attributes(self) -> dict[str, Any]:
        """The stored attributes; the last four fields only if they are set, because older files do not have them."""
        stored = dataclasses.asdict(self)
        return {name: value for name, value in stored.items() if value or name not in ADDED_LATER}


def read_meta(path: Path) -> FeatureMeta:
    """Metadata from the attributes of a file that `write_features` wrote.

    Raises: ArtifactError: the file is damaged, or `write_features` did not write it.
    """
    with open_source(path) as source:
        fields = dataclasses.fields(FeatureMeta)
        needed = [field.name for field in fields if field.default is dataclasses.MISSING]
        if missing := [name for name in needed if name not in source.attrs]:
            raise ArtifactError("not a feature file of OceanPath", where=path, got=f"no attribute {missing[0]}")
        names = [field.name for field in fields if field.name in source.attrs]
        return FeatureMeta(**{name: _plain(source.attrs[name]) for name in names})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
