"""The folder of a TRIDENT job: which of its files are patch features, and their settings from folder names.

<job>/20x_256px_0px_overlap/features_uni_v1/<slide_id>.h5     patch features of one encoder: these are read
<job>/20x_256px_0px_overlap/patches/<slide_id>_patches.h5     coordinates of patches
<job>/20x_256px_0px_overlap/slide_features_titan/…            one vector per slide: read if this folder is named
<job>/contours, contours_geojson, thumbnails, wsi_states, …   tissue and bookkeeping
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from oceanpath.errors import ExperimentError, shorten_list

GRID = re.compile(r"(\d+(?:\.\d+)?)x_(\d+)px_(\d+)px_overlap")
FEATURES, SLIDE_FEATURES = "features_", "slide_features_"
MAX_SHOWN = 6


class FeatureSet(NamedTuple):
    """Patch features of one encoder on one patch grid, as stated by the names of their folders."""

    encoder: str
    magnification: float
    patch_px: int
    """Side of a patch in pixels at that magnification."""
    overlap_px: int

    def words(self) -> str:
        """A description of the set."""
        side = f"{self.patch_px} px at {self.magnification:g}x, overlap {self.overlap_px} px"
        return f"TRIDENT job: encoder {self.encoder}, patches of {side}"


def is_ignored(path: Path, root: Path) -> bool:
    """Whether a file below `root` belongs to a TRIDENT job and is not one of its patch features."""
    grid, folder = _folders(path, root)
    return bool(grid) and not folder.startswith(FEATURES)


def feature_set(paths: Iterable[Path], root: Path) -> FeatureSet | None:
    """The set of all TRIDENT features among `paths` below `root`; None if there are none.

    Raises: ExperimentError: there are several.
    """
    folders: dict[FeatureSet, str] = {}
    for path in paths:
        grid, folder = _folders(path, root)
        if values := GRID.fullmatch(grid):
            key = FeatureSet(folder.removeprefix(FEATURES), float(values[1]), int(values[2]), int(values[3]))
            folders.setdefault(key, _shown(path.parent, root))
    if len(folders) > 1:
        listed = sorted(folders.values())
        got = shorten_list(listed, MAX_SHOWN)
        do = f"Set data.features to one of them, such as {root / listed[0]}."
        raise ExperimentError("a TRIDENT job with several feature sets", where=root, got=got, do=do)
    return next(iter(folders), None)


def _folders(path: Path, root: Path) -> tuple[str, str]:
    """The grid's folder in a path and the folder inside it, empty if there is none; `root` itself may be either.

    A `root` of slide embeddings is a folder of its own.
    """
    if "px_overlap" not in str(path) or root.name.startswith(SLIDE_FEATURES):  # the first is faster than splitting
        return "", ""
    parts = (root.parent.name, root.name, *path.relative_to(root).parts[:-1])
    for at, part in enumerate(parts):
        if GRID.fullmatch(part):
            return part, parts[at + 1] if at + 1 < len(parts) else ""
    return "", ""


def _shown(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()
