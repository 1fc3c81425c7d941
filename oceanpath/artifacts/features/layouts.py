"""Arrays of a feature file in the layouts of OceanPath, TRIDENT, CLAM, STAMP and AtlasPatch.

    features   an array called `features` (OceanPath, TRIDENT, CLAM), `feats` (STAMP) or `embeddings`, in any group, or
               any array in a group called `features` (AtlasPatch: `features/<encoder>`)
    coords     the array called `coords` or `coordinates` in the same group, otherwise in the nearest group above it;
               never in a sibling group

Several candidates for features are an error that lists them: `data.features_key` selects one.

At the level "slide" (`data.level`) the features are one embedding of the slide, [D], [1, D] or [1, 1, D], which is read
as one row; coordinates, which are those of its patches, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts.features.container import Source, UnreadableError
from oceanpath.artifacts.features.provenance import Provenance, provenance_of
from oceanpath.errors import ArtifactError

FEATURE_KEYS = ("features", "feats", "embeddings")
COORD_KEYS = ("coords", "coordinates")
PATCH, SLIDE = "patch", "slide"
"""Levels of features: one row per patch, or one embedding per slide."""
ATLASPATCH_COORDS = 5
"""Columns of AtlasPatch's coordinates: x, y, width and height as read, level."""
DTYPES = {"float16": "float16", "float32": "float32", "float64": "float32", "bfloat16": "float32"}
"""Stored type → type after reading."""


class NoPatchesError(ArtifactError):
    """A feature file without patches."""


@dataclass(frozen=True)
class FeatureLayout:
    """Names of the arrays of a feature file and how to read them."""

    features_key: str
    coords_key: str
    n: int
    """Patches N."""
    dim: int
    """Feature length D."""
    dtype: str
    """Type after reading: float16 or float32."""
    has_coords: bool
    coords_scale: float
    """Level-0 pixels per unit of the stored coordinates; 1 for pixels."""
    patch_px_level0: float | None
    encoder: str
    layout: str
    """Description of the layout."""
    blank: bool
    """Whether the slide has no tissue: n is 0, and it has no bag."""
    provenance: Provenance


def describe(source: Source, path: Path, wanted: str = "", level: str = PATCH) -> FeatureLayout:
    """Locate features and coordinates in an open file.

    Args:
        source: The open file.
        path: Its path, for errors.
        wanted: Name of the features, if the file has several candidates.
        level: `PATCH` or `SLIDE`.

    Raises: ArtifactError: no known dataset, several without `wanted`, not an array of floats of the shape of its level,
        no patches, or N differs between the two.
    """
    key = _wanted_key(source, path, wanted) if wanted else _features_key(source, path, level)
    shape, stored = source.arrays[key]
    n, dim = _matrix(shape, path, key) if level == PATCH else _one_row(shape, path, key)
    if stored not in DTYPES:
        raise ArtifactError("features have an unknown type", where=path, expected=" ".join(DTYPES), got=stored)
    blank = n == 0 and bool(source.attrs.get("blank", False))
    if (n == 0 and not blank) or dim == 0:
        do = "Leave this slide out of the cohort."
        raise NoPatchesError("no patches", where=path, got=f"{key} {shape}", do=do)
    parts = [f"{source.kind} {key} {list(shape)} {stored}"]
    coords_key, scale = _coords(source, key, n, path, parts) if level == PATCH else ("", 1.0)
    attrs = {**source.attrs, **source.array_attrs.get(coords_key, {})}
    encoder, footprint = _encoder(source, key), _footprint(attrs, scale)
    return FeatureLayout(
        features_key=key,
        coords_key=coords_key,
        n=n,
        dim=dim,
        dtype=DTYPES[stored],
        has_coords=bool(coords_key),
        coords_scale=scale,
        patch_px_level0=footprint,
        encoder=encoder,
        layout=", ".join(parts),
        blank=blank,
        provenance=provenance_of({**source.array_attrs.get(key, {}), **attrs}, encoder, footprint),
    )


def without_count(layout: str) -> str:
    """The description of a layout without its number of patches."""
    return re.sub(r"\[\d+, ", "[N, ", layout)


@dataclass(frozen=True)
class CoordsLayout:
    """The coordinates in a file with or without features."""

    key: str
    scale: float
    """Level-0 pixels per stored unit."""
    patch_px_level0: float | None


def describe_coords(source: Source, path: Path) -> CoordsLayout:
    """Locate the coordinates in an open file.

    Raises: ArtifactError: none, several, no usable ones, or no patches.
    """
    keys = [name for name in sorted(source.arrays) if _last(name) in COORD_KEYS]
    if len(keys) > 1:
        do = "Store one list of coordinates per file."
        raise ArtifactError("several lists of coordinates in this file", where=path, got=", ".join(keys), do=do)
    if not keys:
        raise ArtifactError(
            "no coordinates in this file", where=path, expected=" or ".join(COORD_KEYS), got=_array_names(source)
        )
    (key,) = keys
    shape, scale = source.arrays[key][0], _pixels_per_unit(source, key)
    if 0 in shape:
        raise ArtifactError("no patches", where=path, do="Leave this slide out with extract.exclude.")
    if _matrix(shape, path, key)[1] not in (2, ATLASPATCH_COORDS) or scale is None:
        raise ArtifactError(
            "the coordinates are neither pixels nor micrometres with the mpp", where=path, got=list(shape)
        )
    return CoordsLayout(key, scale, _footprint({**source.attrs, **source.array_attrs.get(key, {})}, scale))


def _wanted_key(source: Source, path: Path, wanted: str) -> str:
    key = _resolve_link(source, wanted.strip("/"), path)
    if key in source.arrays:
        return key
    got = ", ".join(_candidates(source)) or _array_names(source)
    do = "Set data.features_key to the name of an array that all files contain."
    raise ArtifactError("no such array in this file", where=path, expected=wanted, got=got, do=do)


def _features_key(source: Source, path: Path, level: str) -> str:
    candidates = _candidates(source, level)
    if len(candidates) > 1:
        do = f'Set data.features_key (predict and coverage: --features-key) to one of them, such as "{candidates[0]}".'
        got = ", ".join(f"{name} {_shape_or_link(source, name)}" for name in candidates)
        raise ArtifactError("several arrays could be the features", where=path, got=got, do=do)
    if candidates:
        return _resolve_link(source, candidates[0], path)
    coords = any(_last(name) in COORD_KEYS for name in source.arrays)
    do = "It contains coordinates only: use the folder of features instead." if coords else ""
    expected, got = " or ".join(FEATURE_KEYS), _array_names(source)
    raise ArtifactError("no features in this file", where=path, expected=expected, got=got, do=do)


def _candidates(source: Source, level: str = PATCH) -> list[str]:
    """Sorted names of the candidates for features: floats of the shape of the level, links, or the only array."""
    named = [name for name in sorted(source.arrays) if _could_be_features(name)]
    fits = _is_table if level == PATCH else _is_row
    tables = [name for name in named if source.arrays[name][1] in DTYPES and fits(source.arrays[name][0])]
    links = [name for name in source.links if _could_be_features(name) and _target(source, name) not in named]
    return sorted([*tables, *links]) or named[:1]


def _shape_or_link(source: Source, name: str) -> str:
    return f"(a link to {source.links[name]})" if name in source.links else str(list(source.arrays[name][0]))


def _could_be_features(name: str) -> bool:
    group, _, last = name.rpartition("/")
    return last in FEATURE_KEYS or (_last(group) == "features" and last not in COORD_KEYS)


def _resolve_link(source: Source, name: str, path: Path) -> str:
    """The target of a link within this file; any other name unchanged.

    Raises: UnreadableError: the target is in another file, whose changes would go unnoticed, or does not exist.
    """
    if name not in source.links:
        return name
    target = _target(source, name)
    if target not in source.arrays:
        do = "Write the array itself into the file: other files are not read, because their changes would go unnoticed."
        what, got = f"{name} is a link to a target that is not in this file", source.links[name]
        raise UnreadableError(what, where=path, got=got, do=do)
    return target


def _target(source: Source, link: str) -> str:
    """The name of the target of a link within this file."""
    leads = source.links[link]
    group = "" if leads.startswith("/") else link.rpartition("/")[0]
    return f"{group}/{leads}".strip("/")


def _array_names(source: Source) -> str:
    names = [*sorted(source.arrays), *(f"{name} (a link to {leads})" for name, leads in sorted(source.links.items()))]
    return ", ".join(names) or "no arrays of numbers"


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _is_table(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)


def _is_row(shape: tuple[int, ...]) -> bool:
    return 1 <= len(shape) <= 3 and set(shape[:-1]) <= {1}


def _one_row(shape: tuple[int, ...], path: Path, key: str) -> tuple[int, int]:
    if not _is_row(shape):
        do = 'Features of patches are for models that are trained with data.level = "patch", the default.'
        raise ArtifactError(
            f"{key} is no slide embedding", where=path, expected="[D] or [1, D]", got=list(shape), do=do
        )
    return 1, shape[-1]


def _matrix(shape: tuple[int, ...], path: Path, key: str) -> tuple[int, int]:
    if not _is_table(shape):
        do = 'Slide embeddings are for models that are trained with data.level = "slide".' if len(shape) == 1 else ""
        got = list(shape)
        raise ArtifactError(f"{key} has a wrong shape", where=path, expected="[N, D] or [1, N, D]", got=got, do=do)
    return shape[-2], shape[-1]


def _coords(source: Source, features: str, n: int, path: Path, parts: list[str]) -> tuple[str, float]:
    """Name of the usable coordinates of `features` ("" for none) and pixels per stored unit; extends `parts`."""
    key = _matching_coords(source, features, path)
    if not key:
        ignored = next((name for name in sorted(source.arrays) if _last(name) in COORD_KEYS), "")
        parts.append(f"{ignored} left out: not in the group of {features} or above it" if ignored else "no coords")
        return "", 1.0
    shape, stored = source.arrays[key]
    rows, width = _matrix(shape, path, key)
    if rows != n or width < 2:
        raise ArtifactError(f"{key} does not match the features", where=path, expected=[n, 2], got=list(shape))
    if width > 2 and not (width == ATLASPATCH_COORDS and _last(features.rpartition("/")[0]) == "features"):
        parts.append(f"{key} {list(shape)} left out: not x and y alone")
        return "", 1.0
    scale = _pixels_per_unit(source, key)
    if scale is None:
        parts.append(f"{key} left out: micrometres, and the file does not state the mpp")
        return "", 1.0
    parts.append(f"{key} {list(shape)} {stored}" + ("" if scale == 1.0 else f" in micrometres, {scale:g} px each"))
    return key, scale


def _matching_coords(source: Source, features: str, path: Path) -> str:
    """The coordinates in the group of the features, otherwise in the nearest group above it; "" if there are none."""
    group = features
    while group:
        group = group.rpartition("/")[0]
        for known in COORD_KEYS:
            name = _resolve_link(source, f"{group}/{known}".lstrip("/"), path)
            if name in source.arrays:
                return name
    return ""


def _pixels_per_unit(source: Source, key: str) -> float | None:
    attrs = {**source.attrs, **source.array_attrs.get(key, {})}
    if not _in_micrometres(attrs):
        return 1.0
    mpp = _number(attrs, "mpp_x", "mpp", "slide_mpp")
    return 1.0 / mpp if mpp else None


def _in_micrometres(attrs: Mapping[str, Any]) -> bool:
    return _text(attrs.get("unit", "px")).lower() in {"um", "µm", "μm", "micron", "microns"}


def _footprint(attrs: Mapping[str, Any], scale: float) -> float | None:
    """Side of a patch in level-0 pixels, of OceanPath, TRIDENT, CLAM (patch size × downsample) or STAMP (µm)."""
    if (side := _number(attrs, "patch_px_level0", "patch_size_level0")) is not None:
        return side
    if _in_micrometres(attrs) and (side_um := _number(attrs, "tile_size_um")) is not None:
        return side_um * scale
    size, downsample = _number(attrs, "patch_size"), _number(attrs, "downsample")
    return size * downsample if size is not None and downsample is not None else None


def _encoder(source: Source, key: str) -> str:
    attrs = {**source.attrs, **source.array_attrs.get(key, {})}
    group, _, last = key.rpartition("/")
    of_group = last if _last(group) == "features" else ""  # AtlasPatch names the array after its encoder
    return next((_text(attrs[name]) for name in ("encoder", "extractor") if name in attrs), of_group)


def _number(attrs: Mapping[str, Any], *names: str) -> float | None:
    """The first attribute that is a positive number; CLAM stores one value per axis; x is used."""
    for name in names:
        if name in attrs:
            values = np.atleast_1d(np.asarray(attrs[name]))
            if values.size and values.dtype.kind in "fiu" and float(values[0]) > 0:
                return float(values[0])
    return None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
