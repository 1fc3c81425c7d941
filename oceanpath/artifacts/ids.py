"""Slide ids: one rule for files and for tables, so that a join means what it says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from oceanpath.errors import nearest

FEATURE_SUFFIXES = (".h5", ".hdf5", ".pt", ".pth", ".npy", ".npz", ".zarr", ".parquet")
SLIDE_SUFFIXES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".vms", ".vmu", ".bif", ".dcm")
CLOSED_SUFFIXES = (".sdpc", ".kfb", ".czi")
"""Slides that only their makers' packages read; without these they are found and named, not passed over."""
SUFFIXES = (*FEATURE_SUFFIXES, *SLIDE_SUFFIXES, *CLOSED_SUFFIXES)


def slide_id(name: str | PurePath) -> str:
    """The id of a slide from a file name, a path or a table cell: last path element without its known suffix.

    Dots that are no known suffix stay (``TCGA-05-4250-01Z-00-DX1.90f67fdf`` keeps its UUID).
    """
    text = PurePath(str(name).strip()).name
    lower = text.lower()
    while True:
        suffix = next((s for s in SUFFIXES if lower.endswith(s) and len(lower) > len(s)), "")
        if not suffix:
            return text
        text, lower = text[: -len(suffix)], lower[: -len(suffix)]


def describe_missing(missing: Iterable[str], known: Iterable[str], shown: int = 5) -> str:
    """A readable list of ids that were not found, each with the nearest id that exists."""
    gone, pool = sorted(missing), list(known)
    lines = []
    for name in gone[:shown]:
        close = nearest(name, pool)
        lines.append(f"{name} (nearest: {close[0]})" if close else name)
    more = f" and {len(gone) - shown} more" if len(gone) > shown else ""
    return ", ".join(lines) + more


def is_hidden(path: Path, root: Path) -> bool:
    """Whether the name of `path`, or of a folder between it and `root`, begins with a dot."""
    return any(name.startswith(".") for name in path.relative_to(root).parts)
