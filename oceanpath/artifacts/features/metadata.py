"""How the features of a slide were made: the attributes of the files that `extract` writes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts.features.sources import open_source
from oceanpath.errors import ArtifactError

LATER = ("undecodable_patches", "undecodable_share", "colour_profile", "tissue_origin")


@dataclass(frozen=True)
class FeatureMeta:
    """How the features of a slide were made; stored as attributes of the file."""

    encoder: str
    feature_dim: int
    patch_px: int
    """Side of a patch at `target_mpp`, pixels."""
    target_mpp: float
    mpp_x: float
    mpp_y: float
    """Micrometres a level-0 pixel."""
    mpp_source: str
    patch_px_level0: float
    """Side of a patch in level-0 pixels along x."""
    level0_width: int
    level0_height: int
    slide_digest: str
    """xxh3-128 of the bytes of the slide."""
    tool_version: str
    encoder_revision: str = ""
    """Commit or version of the encoder's weights; empty where it has none, or an earlier version wrote the file."""
    weights_sha256: str = ""
    """Of the file of weights, likewise."""
    reader: str = ""
    """Where pixels came from: `tiff_tiles`, `openslide` or another reader; files of older versions do not say."""
    reader_reason: str = ""
    """Why not from the tiles."""
    tissue_source: str = ""
    """`auto`, or the suffix of the file that told where tissue is."""
    tissue_share: float = 0.0
    """Part of the slide that is tissue, 0 to 1."""
    ink_share: float = 0.0
    """Part of the slide that was left out as pen or frame, 0 to 1."""
    blank: bool = False
    """The slide was looked at, and no patch holds enough tissue."""
    undecodable_patches: int = 0
    """Patches with tissue that were left out because their pixels cannot be decoded (`extract.on_bad_tile`)."""
    undecodable_share: float = 0.0
    """Part of the overview, by which tissue is found, that could not be decoded and was taken for glass."""
    colour_profile: str = ""
    """Description of the ICC profile by which pixels were converted to sRGB (`extract.colours`)."""
    tissue_origin: str = ""
    """`bounds` where contours were given relative to the scanned area."""

    def attributes(self) -> dict[str, Any]:
        """What is stored; the last four fields only where they say something, as older files lack them."""
        stored = dataclasses.asdict(self)
        return {name: value for name, value in stored.items() if value or name not in LATER}


def read_meta(path: Path) -> FeatureMeta:
    """The attributes of a file that `write_features` wrote.

    Raises: ArtifactError: the file is damaged or was written by something else.
    """
    with open_source(path) as source:
        fields = dataclasses.fields(FeatureMeta)
        needed = [field.name for field in fields if field.default is dataclasses.MISSING]
        if missing := [name for name in needed if name not in source.attrs]:
            raise ArtifactError("not a feature file of OceanPath", where=path, got=f"no attribute {missing[0]}")
        told = [field.name for field in fields if field.name in source.attrs]
        return FeatureMeta(**{name: _plain(source.attrs[name]) for name in told})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
