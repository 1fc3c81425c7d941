"""Feature files of any supported layout, and stores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.api.html import html_table
from oceanpath.artifacts.features import files
from oceanpath.artifacts.features.layouts import PATCH, SLIDE
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.artifacts.gather import is_published
from oceanpath.artifacts.store.reader import Index, Store
from oceanpath.artifacts.store.remote import is_remote
from oceanpath.pipeline.integrity import changed, refuse

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class Features:
    """The patch features of one slide."""

    slide_id: str
    features: NDArray[np.floating]
    """[N, D], float16 or float32."""
    coords: NDArray[np.int32] | None
    """[N, 2] level-0 pixels of the top-left corners; None if unknown."""
    layout: str
    """How the file was recognised."""
    provenance: Provenance = UNKNOWN
    """Encoder, patch size and resolution, as far as the file states them."""

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        return f"Features({self.slide_id!r}, {list(self.features.shape)} {self.features.dtype}, {self.layout})"

    def _repr_html_(self) -> str:
        rows = [("layout", self.layout), ("patches", len(self)), ("feature length", self.features.shape[1])]
        rows += [(name, value) for name, value in vars(self.provenance).items() if value not in ("", None)]
        return html_table(f"Features of {self.slide_id}", ("", ""), rows)


def as_slide(
    features: str | PathLike[str] | Features | NDArray[np.floating],
    coords: NDArray[Any] | None,
    slide_id: str,
    level: str = PATCH,
) -> Features:
    """The features of one slide with its id in the provenance; arguments as of `Model.predict`.

    `level` is that of the features which the model reads; at the level of slides, an array [D] is one row.
    """
    if isinstance(features, np.ndarray):
        features = features[None] if level == SLIDE and features.ndim == 1 else features
        return Features(slide_id, features, coords, "array", Provenance(slide_id=slide_id) if slide_id else UNKNOWN)
    slide = features if isinstance(features, Features) else read_features(features, level=level)
    name = slide.provenance.slide_id or slide.slide_id
    return replace(slide, slide_id=name, provenance=replace(slide.provenance, slide_id=name))


def read_features(path: str | PathLike[str], key: str = "", level: str = PATCH) -> Features:
    """The features of one slide, from a file of OceanPath, TRIDENT, CLAM, STAMP, AtlasPatch or a plain array.

        >>> import numpy as np
        >>> import oceanpath as op
        >>> np.save("slide_1.npy", np.ones((3, 8), np.float16))
        >>> op.read_features("slide_1.npy")
        Features('slide_1', [3, 8] float16, numpy features [3, 8] float16, no coords)

    Args:
        path: The file.
        key: Name of the array of features, if the file contains several.
        level: "patch", or "slide" for one embedding of the slide, [D] or [1, D]: see `data.level`.

    Raises: ArtifactError: the file is missing, damaged or not recognised, or a value is not finite.
    """
    file = files.scan_features(Path(path), key, level=level)
    features, coords = files.read_features(file)
    return Features(file.slide_id, features, coords, file.layout, file.provenance)


def open_store(path: str | PathLike[str], *, features: str | PathLike[str] | None = None) -> Store:
    """The store that `mmap` published: all bags of a cohort as views of mapped memory.

        >>> import oceanpath as op
        >>> results = op.run("mine.toml", to="mmap")
        >>> store = op.open_store(results.folder("mmap"))
        >>> len(store), store.dim, store.slide_ids[0]
        (16, 8, 'slide_00')

    Args:
        path: Folder of the store.
        features: Folder of its feature files, if the store refers to them (`mmap.mode = "adopt"`).

    Raises: ArtifactError: the store is missing or damaged. Bags are verified when they are first read, unless they are
        files of a published store, whose other files are compared with their digests here.
    """
    folder = Path(path)
    sealed = is_published(folder)
    if sealed:
        refuse(changed(folder.resolve(), lambda name: not name.startswith("features_")))
    else:
        Index.check(folder)
    return Store(folder, features=None if features is None else Path(features), check=not sealed or is_remote(folder))
