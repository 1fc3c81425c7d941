"""Provenance of the features of a slide, from the attributes of OceanPath, TRIDENT, CLAM or STAMP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oceanpath.artifacts.cohort.ids import slide_id

TRIDENT = "patch_size_level0"
"""An attribute that only TRIDENT writes; `name` is then the slide."""
UM_PER_PX_AT_1X = 10.0
"""Nominal magnification times micrometres per pixel: 20 · 0.5."""


@dataclass(frozen=True)
class Provenance:
    """Provenance of features as stated in their file; empty or None if not stated."""

    slide_id: str = ""
    encoder: str = ""
    weights_sha256: str = ""
    patch_px: int | None = None
    """Side of a patch as passed to the encoder, pixels."""
    target_mpp: float | None = None
    """Micrometres per pixel of such a patch."""
    patch_px_level0: float | None = None
    """Side of a patch in level-0 pixels."""
    slide_digest: str = ""
    """xxh3-128 of the bytes of the slide."""
    encoder_revision: str = ""
    stored_dtype: str = ""
    """Type to which a store rounded the features."""

    @property
    def patch_um(self) -> float | None:
        """Side of a patch in micrometres."""
        return None if self.patch_px is None or self.target_mpp is None else self.patch_px * self.target_mpp


UNKNOWN = Provenance()


def provenance_of(attrs: Mapping[str, Any], encoder: str = "", patch_px_level0: float | None = None) -> Provenance:
    """Provenance from the attributes of a file and of its arrays; values that are already known are kept."""
    patch_px = _number(attrs, "patch_px", "patch_size", "tile_size_px")
    return Provenance(
        slide_id=slide_id(_text(attrs, "slide_id") or (_text(attrs, "name") if TRIDENT in attrs else "")),
        encoder=encoder,
        weights_sha256=_text(attrs, "weights_sha256"),
        patch_px=None if patch_px is None else round(patch_px),
        target_mpp=_mpp(attrs),
        patch_px_level0=patch_px_level0,
        slide_digest=_text(attrs, "slide_digest"),
        encoder_revision=_text(attrs, "encoder_revision"),
    )


def _mpp(attrs: Mapping[str, Any]) -> float | None:
    if (mpp := _number(attrs, "target_mpp")) is not None:
        return mpp
    if (magnification := _number(attrs, "target_magnification")) is not None:
        return UM_PER_PX_AT_1X / magnification
    side_um, side_px = _number(attrs, "tile_size_um"), _number(attrs, "tile_size_px")
    return side_um / side_px if side_um is not None and side_px is not None else None


def _number(attrs: Mapping[str, Any], *names: str) -> float | None:
    """The first of these attributes that is a positive number; of several values (one per axis), the first."""
    for name in names:
        values = np.atleast_1d(np.asarray(attrs.get(name, np.nan)))
        if values.size and values.dtype.kind in "fiu" and float(values[0]) > 0:
            return float(values[0])
    return None


def _text(attrs: Mapping[str, Any], name: str) -> str:
    value = attrs.get(name, "")
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    return value.strip() if isinstance(value, str) else ""
