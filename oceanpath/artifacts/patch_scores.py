"""Scores of patches for viewers of slides: GeoJSON as QuPath reads it, and CSV with the columns of WSInfer.

A GeoJSON file is a FeatureCollection with one tile per patch: a polygon in level-0 pixels from `PatchScores.origin`,
and `properties.measurements` {name: score}. A CSV file has the columns minx, miny, width and height (level-0 pixels of
the whole slide), and one column per score.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError

MOST_FEATURES = 200_000
"""QuPath displays more tiles only slowly."""
TILE_IDS = uuid.UUID("6d5f1f0a-5b0e-5c1e-9a55-0d1b7c1f2a10")
"""Namespace of the ids of tiles."""
CORNERS = ((1, 0), (1, 1), (0, 1), (0, 0), (1, 0))
"""A closed ring in WSInfer's order, counterclockwise as RFC 7946 requires."""
GEOMETRY = ["minx", "miny", "width", "height"]


@dataclass(frozen=True)
class PatchScores:
    """The scores of the patches of one slide."""

    slide_id: str
    coords: NDArray[np.integer[Any]]
    """[n, 2] level-0 pixels of the whole slide: x and y of the top-left corners."""
    footprint: tuple[float, float]
    """Width and height of a patch in level-0 pixels; need not be integers."""
    scores: Mapping[str, NDArray[np.floating]]
    """Name → [n] finite numbers."""
    origin: tuple[int, int] = (0, 0)
    """Corner of the scanned area in level-0 pixels. QuPath displays only this area, so coordinates of GeoJSON start
    there; those of CSV start at the corner of the slide."""

    def validate(self) -> None:
        """Raise ArtifactError unless every score is one finite number per patch and patches have an area."""
        n = len(self.coords)
        if self.coords.shape != (n, 2) or min(self.footprint) <= 0:
            got = f"coordinates {self.coords.shape}, a patch of {self.footprint}"
            raise ArtifactError("the patches have no area", where=self.slide_id, expected="[n, 2] and sides", got=got)
        for name, values in self.scores.items():
            if values.shape != (n,) or not np.isfinite(values).all():
                got = f"{name} {values.shape}"
                raise ArtifactError("a score is not one finite number per patch", where=self.slide_id, got=got)

    def strongest(self, by: str, *, at_least: float = 0.0, at_most: int = MOST_FEATURES) -> PatchScores:
        """Patches whose score `by` is at least `at_least` in magnitude; of more than `at_most`, the largest ones.

        The order of the patches is kept; of equal scores the first patches are kept.
        """
        size = np.abs(self.scores[by])
        ranked = np.argsort(-size, kind="stable")[:at_most]
        kept = np.sort(ranked[size[ranked] >= at_least])
        return replace(
            self, coords=self.coords[kept], scores={name: values[kept] for name, values in self.scores.items()}
        )

    def table(self) -> pd.DataFrame:
        """One row per patch: the columns of `GEOMETRY` and one per score."""
        x, y = np.asarray(self.coords).T
        width, height = self.footprint
        return pd.DataFrame({"minx": x, "miny": y, "width": width, "height": height, **self.scores})


def write_geojson(path: Path, patches: PatchScores) -> None:
    """Write one tile per patch; compressed if the name ends in `.gz`. Equal arguments give equal bytes.

    Raises: ArtifactError: more than `MOST_FEATURES` patches (see `PatchScores.strongest`), or as `validate`.
    """
    patches.validate()
    if (n := len(patches.coords)) > MOST_FEATURES:
        raise ArtifactError("too many patches for a viewer", where=path, expected=f"at most {MOST_FEATURES}", got=n)
    with path.open("wb") as file:
        if path.suffix != ".gz":
            file.writelines(_lines(patches))
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            packed.writelines(_lines(patches))


def write_patch_csv(path: Path, patches: PatchScores) -> None:
    """Write one row per patch, all of them. Raises: ArtifactError: as `PatchScores.validate`."""
    patches.validate()
    patches.table().to_csv(path, index=False, lineterminator="\n")


def _lines(patches: PatchScores) -> Iterator[bytes]:
    yield b'{"type": "FeatureCollection", "features": [\n'
    for number, feature in enumerate(_features(patches)):
        yield (",\n" if number else "").encode() + json.dumps(feature, allow_nan=False).encode()
    yield b"\n]}\n"


def _features(patches: PatchScores) -> Iterator[dict[str, Any]]:
    starts = np.asarray(patches.coords, np.float64) - patches.origin
    rings = starts[:, None] + np.asarray(CORNERS) * np.asarray(patches.footprint)
    values = {name: _shortest(scores) for name, scores in patches.scores.items()}
    for number, ring in enumerate(rings.tolist()):
        x, y = patches.coords[number]
        yield {
            "type": "Feature",
            "id": str(uuid.uuid5(TILE_IDS, f"{patches.slide_id} {x} {y} {number}")),
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "tile",
                "isLocked": True,
                "measurements": {name: column[number] for name, column in values.items()},
            },
        }


def _shortest(values: NDArray[np.floating]) -> list[float]:
    """Numbers with as few digits as identify each float32."""
    return [float(text) for text in values.astype(np.float32).astype(str)]
