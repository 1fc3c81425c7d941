"""The files of a figure: a PNG, a PDF and an SVG of the same name."""

from __future__ import annotations

from pathlib import Path

from oceanpath.errors import ArtifactError

MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def files_of(png: str) -> list[str]:
    """Names of the three files of a figure."""
    return [png.removesuffix(".png") + suffix for suffix in MAGIC]


def check_figure(png: Path) -> None:
    """Check the first bytes of the three files of a figure.

    Raises: ArtifactError: one is missing, or has another format.
    """
    for suffix, magic in MAGIC.items():
        path = png.with_suffix(suffix)
        if not path.is_file() or not path.read_bytes().startswith(magic):
            raise ArtifactError(f"a figure is missing or is not a {suffix[1:].upper()}", where=path)
