"""The patches of a slide, and an image that shows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from oceanpath.errors import StageError
from oceanpath.slides.contours import find_contours, read_tissue
from oceanpath.slides.grid import PatchGrid, plan_grid, select_patches
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.tissue import Tissue, find_tissue
from oceanpath.slides.trident.grid import plan_trident_grid, select_trident_patches
from oceanpath.stages.extract.coords_files import read_coords
from oceanpath.stages.extract.settings import ExtractSettings

THUMBNAIL_PX = 768
JPEG_QUALITY = 85
CONTOUR, INK, PATCH = (0, 150, 60), (255, 140, 0), (30, 70, 200)


@dataclass(frozen=True)
class SlideTiling:
    """The grid and patches of a slide; a blank slide has no patches."""

    grid: PatchGrid
    coords: NDArray[np.int32]
    fractions: NDArray[np.float32] | None = None
    """[N], the fraction of tissue in each patch; None if the coordinates were read from a file."""
    tissue: Tissue | None = None
    undecodable: int = 0
    """Number of patches that are left out because their pixels cannot be decoded."""

    def only(self, kept: NDArray[np.bool_]) -> SlideTiling:
        """The tiling without the patches that are False in `kept` [N], which are counted as undecodable."""
        fractions = None if self.fractions is None else self.fractions[kept]
        lost = self.undecodable + int((~kept).sum())
        return replace(self, coords=self.coords[kept], fractions=fractions, undecodable=lost)


def tile_slide(reader: SlideReader, settings: ExtractSettings, slide_id: str) -> SlideTiling:
    """The grid of a slide and its patches with tissue.

    Raises: StageError: the slide has a lower resolution than the target, is smaller than a patch or has no tissue mask.
    """
    as_trident = settings.geometry == "trident"
    plan, select = (plan_trident_grid, select_trident_patches) if as_trident else (plan_grid, select_patches)
    grid = plan(reader, settings.patch_px, settings.target_mpp, settings.overlap)
    if settings.coords is not None:
        return SlideTiling(grid, read_coords(settings.coords, reader, grid))
    patch_um = settings.patch_px * settings.target_mpp
    if settings.tissue is None:
        tissue = find_tissue(reader, patch_um)
    else:
        files = find_contours(settings.tissue)
        if slide_id not in files:
            expected = f"{slide_id}.geojson or {slide_id}.png in {settings.tissue.name}/"
            do = "Add it, or leave the slide out with extract.exclude."
            raise StageError("the slide has no tissue mask", where=reader.path, expected=expected, do=do)
        tissue = read_tissue(files[slide_id], reader, patch_um, settings.tissue_origin)
    coords, fractions = select(reader, grid, tissue, settings.min_tissue)
    return SlideTiling(grid, coords, fractions, tissue)


def write_pictures(reader: SlideReader, tiling: SlideTiling | None, out: Path, name: str) -> None:
    """Write `thumbnails/<name>.jpg` and, with a tiling, `masks/<name>.jpg` with contours, ink and patches."""
    pixels = reader.thumbnail(THUMBNAIL_PX)
    _save(Image.fromarray(pixels), out / "thumbnails" / f"{name}.jpg")
    if tiling is not None:
        _save(draw_tiling(pixels, reader, tiling), out / "masks" / f"{name}.jpg")


def draw_tiling(pixels: NDArray[np.uint8], reader: SlideReader, tiling: SlideTiling) -> Image.Image:
    """A thumbnail [h, w, 3] with the tissue's contour in green, ink in orange and the patches in blue."""
    high, wide = pixels.shape[:2]
    shown = pixels.copy()
    if tiling.tissue is not None:
        shown[_edge(_at(tiling.tissue.mask, wide, high))] = CONTOUR
    if tiling.tissue is not None and tiling.tissue.ink is not None:
        shown[_at(tiling.tissue.ink, wide, high)] = INK
    image = Image.fromarray(shown)
    draw = ImageDraw.Draw(image)
    zoom_x, zoom_y = wide / reader.width, high / reader.height
    for x, y in tiling.coords.tolist():
        right, bottom = (x + tiling.grid.footprint_x) * zoom_x, (y + tiling.grid.footprint_y) * zoom_y
        draw.rectangle((x * zoom_x, y * zoom_y, right, bottom), outline=PATCH)
    return image


def _at(mask: NDArray[np.bool_], wide: int, high: int) -> NDArray[np.bool_]:
    return np.asarray(Image.fromarray(mask).resize((wide, high), Image.Resampling.NEAREST))


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    edge: NDArray[np.bool_] = mask & ~ndimage.binary_erosion(mask, iterations=2)
    return edge


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=JPEG_QUALITY)
