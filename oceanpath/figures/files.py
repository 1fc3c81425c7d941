"""The files of a figure: a PNG, and a PDF and an SVG of the same name beside it."""

from __future__ import annotations

from pathlib import Path

from oceanpath.errors import ArtifactError

BEGINNINGS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def files_of(png: str) -> list[str]:
    """Names of the three files of a figure."""
    return [png.removesuffix(".png") + suffix for suffix in BEGINNINGS]


def check_figure(png: Path) -> None:
    """Look at the beginnings of the three files of a figure.

    Raises: ArtifactError: one is missing, or is something else.
    """
    for suffix, beginning in BEGINNINGS.items():
        path = png.with_suffix(suffix)
        if not path.is_file() or not path.read_bytes().startswith(beginning):
            raise ArtifactError(f"a figure is missing or is no {suffix[1:].upper()}", where=path)
