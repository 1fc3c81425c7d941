"""Which array of a feature file is which, in the layouts of OceanPath, TRIDENT, CLAM and STAMP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts.feature_sources import Source
from oceanpath.artifacts.provenance import Provenance, provenance_of
from oceanpath.errors import ArtifactError

FEATURE_KEYS = ("features", "feats", "embeddings")
COORD_KEYS = ("coords", "coordinates")
DTYPES = {"float16": "float16", "float32": "float32", "float64": "float32", "bfloat16": "float32"}
"""Stored type → the type that is read."""


@dataclass(frozen=True)
class Layout:
    """Where the arrays of a feature file are and how to read them."""

    features_key: str
    coords_key: str
    n: int
    """Patches N."""
    dim: int
    """Feature length D."""
    dtype: str
    """What reading gives back: float16 or float32."""
    has_coords: bool
    coords_scale: float
    """Level-0 pixels a unit of the stored coordinates; 1 for pixels."""
    patch_px_level0: float | None
    encoder: str
    layout: str
    """What was seen, in words."""
    blank: bool
    """A slide without tissue: n is 0, and no bag is to be made of it."""
    provenance: Provenance


def describe(source: Source, path: Path) -> Layout:
    """Find features and coordinates in an open file.

    Raises: ArtifactError: no known dataset, not a [N, D] array of floats, no patches, or N differs between the two.
    """
    key = _features_key(source, path)
    shape, stored = source.arrays[key]
    n, dim = _matrix(shape, path, key)
    if stored not in DTYPES:
        raise ArtifactError("features have an unknown type", where=path, expected=" ".join(DTYPES), got=stored)
    blank = n == 0 and bool(source.attrs.get("blank", False))
    if (n == 0 and not blank) or dim == 0:
        raise ArtifactError("no patches", where=path, got=f"{key} {shape}", do="Leave this slide out of the cohort.")
    seen = [f"{source.kind} {key} {list(shape)} {stored}"]
    coords_key, scale = _coords(source, n, path, seen)
    attrs = {**source.attrs, **source.array_attrs.get(coords_key, {})}
    encoder, footprint = _encoder(source, key), _footprint(attrs, scale)
    return Layout(
        features_key=key,
        coords_key=coords_key,
        n=n,
        dim=dim,
        dtype=DTYPES[stored],
        has_coords=bool(coords_key),
        coords_scale=scale,
        patch_px_level0=footprint,
        encoder=encoder,
        layout=", ".join(seen),
        blank=blank,
        provenance=provenance_of({**source.array_attrs.get(key, {}), **attrs}, encoder, footprint),
    )


@dataclass(frozen=True)
class PlaceList:
    """Where the places of patches are in a file, whether or not it holds features."""

    key: str
    scale: float
    """Level-0 pixels a stored unit."""
    patch_px_level0: float | None


def describe_places(source: Source, path: Path) -> PlaceList:
    """Find the coordinates in an open file.

    Raises: ArtifactError: none, none that can be used, or no patches.
    """
    names = {name.rpartition("/")[2]: name for name in sorted(source.arrays, reverse=True)}
    key = next((names[known] for known in COORD_KEYS if known in names), "")
    if not key:
        got = ", ".join(sorted(source.arrays)) or "no arrays of numbers"
        raise ArtifactError("no places of patches in this file", where=path, expected=" or ".join(COORD_KEYS), got=got)
    shape, scale = source.arrays[key][0], _pixels_a_unit(source, key)
    if 0 in shape:
        raise ArtifactError("no patches", where=path, do="Leave this slide out with extract.exclude.")
    if _matrix(shape, path, key)[1] != 2 or scale is None:
        raise ArtifactError("not x and y in pixels, nor in micrometres with the mpp", where=path, got=list(shape))
    return PlaceList(key, scale, _footprint({**source.attrs, **source.array_attrs.get(key, {})}, scale))


def _features_key(source: Source, path: Path) -> str:
    names = {name.rpartition("/")[2]: name for name in sorted(source.arrays, reverse=True)}
    for known in FEATURE_KEYS:
        if known in names:
            return names[known]
    got = ", ".join(sorted(source.arrays)) or "no arrays of numbers"
    do = "This is a list of patch places; give the folder of features instead." if "coords" in names else ""
    raise ArtifactError("no features in this file", where=path, expected=" or ".join(FEATURE_KEYS), got=got, do=do)


def _matrix(shape: tuple[int, ...], path: Path, key: str) -> tuple[int, int]:
    flat = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape
    if len(flat) != 2:
        raise ArtifactError(f"{key} has a wrong shape", where=path, expected="[N, D] or [1, N, D]", got=list(shape))
    return flat[0], flat[1]


def _coords(source: Source, n: int, path: Path, seen: list[str]) -> tuple[str, float]:
    """Name of the usable coordinates ("" for none) and pixels a stored unit; adds words to `seen`."""
    names = {name.rpartition("/")[2]: name for name in sorted(source.arrays, reverse=True)}
    key = next((names[known] for known in COORD_KEYS if known in names), "")
    if not key:
        seen.append("no coords")
        return "", 1.0
    shape, stored = source.arrays[key]
    rows, width = _matrix(shape, path, key)
    if rows != n or width < 2:
        raise ArtifactError(f"{key} does not match the features", where=path, expected=[n, 2], got=list(shape))
    if width > 2:
        seen.append(f"{key} {list(shape)} left out: not x and y alone")
        return "", 1.0
    scale = _pixels_a_unit(source, key)
    if scale is None:
        seen.append(f"{key} left out: micrometres, and the file does not tell the mpp")
        return "", 1.0
    seen.append(f"{key} {list(shape)} {stored}" + ("" if scale == 1.0 else f" in micrometres, {scale:g} px each"))
    return key, scale


def _pixels_a_unit(source: Source, key: str) -> float | None:
    attrs = {**source.attrs, **source.array_attrs.get(key, {})}
    if not _in_micrometres(attrs):
        return 1.0
    mpp = _number(attrs, "mpp_x", "mpp", "slide_mpp")
    return 1.0 / mpp if mpp else None


def _in_micrometres(attrs: Mapping[str, Any]) -> bool:
    return _text(attrs.get("unit", "px")).lower() in {"um", "µm", "μm", "micron", "microns"}


def _footprint(attrs: Mapping[str, Any], scale: float) -> float | None:
    """Level-0 pixels a patch side: ours, TRIDENT's, CLAM's (patch size × downsample), STAMP's (micrometres)."""
    if (told := _number(attrs, "patch_px_level0", "patch_size_level0")) is not None:
        return told
    if _in_micrometres(attrs) and (side_um := _number(attrs, "tile_size_um")) is not None:
        return side_um * scale
    size, downsample = _number(attrs, "patch_size"), _number(attrs, "downsample")
    return size * downsample if size is not None and downsample is not None else None


def _encoder(source: Source, key: str) -> str:
    attrs = {**source.attrs, **source.array_attrs.get(key, {})}
    return next((_text(attrs[name]) for name in ("encoder", "extractor") if name in attrs), "")


def _number(attrs: Mapping[str, Any], *names: str) -> float | None:
    """The first attribute that is a positive number; CLAM stores one value an axis, of which x is taken."""
    for name in names:
        if name in attrs:
            values = np.atleast_1d(np.asarray(attrs[name]))
            if values.size and values.dtype.kind in "fiu" and float(values[0]) > 0:
                return float(values[0])
    return None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
