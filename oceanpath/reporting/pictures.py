"""Figures inside the page: SVG as it is published, large PNG files as JPEG."""

from __future__ import annotations

import base64
import io
from pathlib import Path

LARGE_BYTES = 200_000
WIDTH_PX = 1200


def embed(path: Path) -> str:
    """A data URI of a PNG file or, if it is smaller, of the SVG file next to it; empty if there is no such file."""
    if not path.is_file():
        return ""
    vector = path.with_suffix(".svg")
    if vector.is_file() and vector.stat().st_size <= LARGE_BYTES:
        return _uri("image/svg+xml", vector.read_bytes())
    if path.stat().st_size <= LARGE_BYTES:
        return _uri("image/png", path.read_bytes())
    return _uri("image/jpeg", _smaller(path))


def _smaller(path: Path) -> bytes:
    """The picture as JPEG, at most `WIDTH_PX` wide."""
    from PIL import Image  # loads quickly, but only large pictures need it

    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    rgb.thumbnail((WIDTH_PX, 4 * WIDTH_PX))
    buffer = io.BytesIO()
    rgb.save(buffer, "JPEG", quality=85, optimize=True)
    return buffer.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
