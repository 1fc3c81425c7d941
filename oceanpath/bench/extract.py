"""Reading patches of a 40x slide at 20x, and extraction from end to end, in CPU time per patch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openslide
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from oceanpath.bench.clock import Work
from oceanpath.bench.rounds import measure
from oceanpath.cores import usable_cores
from oceanpath.pipeline.stage import Part, Quiet
from oceanpath.slides.demo.aperio import LEVELS, TILE, write_pyramid
from oceanpath.slides.demo.canvas import draw_slide
from oceanpath.slides.demo.plan import plan_cohort
from oceanpath.slides.demo.texture import build_textures
from oceanpath.slides.engine.feature_extractor import FeatureExtractor
from oceanpath.slides.grid import PatchGrid, plan_grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide
from oceanpath.slides.readers.tiff_directory import plain_levels
from oceanpath.stages.extract.prepare import SlideRequest, prepare
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slide_encoder import SlideEncoder, slide_encoder_for
from oceanpath.stages.extract.work import extract_slide

MPP = 0.25
PATCH = 256
BATCH = 64
TISSUE = 2048
"""Side of the repeated piece of tissue; twice this side is a whole number of tiles on every level."""
BASELINE, LIMIT = "OpenSlide, PIL bicubic", "decoding the tiles only"


class MeanColour:
    """A minimal encoder: the mean colour of a patch."""

    name, dim, input_px, batch_size, revision, weights_sha256 = "mean_colour", 3, 0, BATCH, "", ""

    def __init__(self) -> None:
        self.threads = usable_cores()

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, 3]; reads every pixel once."""
        count, high, wide, _ = patches.shape
        columns = patches.reshape(count, high, wide * 3).sum(axis=1, dtype=np.uint32)  # long rows: memory-bound
        means: NDArray[np.float64] = columns.reshape(count, wide, 3).sum(axis=1) / (high * wide)
        return means.astype(np.float16)


def write_bench_slide(path: Path, side: int) -> None:
    """A 40x slide of `side`² pixels, all tissue: JPEG tiles of 256 px on levels 1, 4 and 16."""
    image = draw_slide(plan_cohort(2, 2 * TISSUE, 0)[0], build_textures(0))
    middle = image[TISSUE // 2 : TISSUE // 2 + TISSUE, TISSUE // 2 : TISSUE // 2 + TISSUE]
    block = np.tile(middle, (2, 2, 1))
    levels = ((-(-side // ds), np.asarray(Image.fromarray(block).reduce(ds))) for ds in LEVELS)
    write_pyramid(path, (((size, size), _mosaic(level, size)) for size, level in levels), MPP)


@dataclass(frozen=True)
class Cost:
    """Cost per patch of one method."""

    case: str
    way: str
    patches: int
    cpu_ms: float
    """CPU time per patch, all threads together."""
    wall_ms: float
    times_baseline: float
    """CPU time of the first method of the case as a multiple of this one's."""
    peak_mb: float | None
    """Peak memory above that of the process at the start."""


def bench_reading(slide: Path, count: int, rounds: int) -> list[Cost]:
    """Read `count` patches, 512 px of level 0 as 256, by several methods; the limit is their JPEG decoding."""
    with open_slide(slide, tiles=False) as plain, open_slide(slide) as fast:
        grid = plan_grid(fast, PATCH, 2 * MPP)
        coords = _coords(fast.width, grid, count)
        streams = _streams(slide, coords, fast.level_sizes[:1])
        methods: dict[str, Work] = {
            BASELINE: lambda: _bicubic(slide, coords, grid),
            "OpenSlide, block means": lambda: _in_batches(lambda some: read_patches(plain, grid, some), coords),
            "JPEG tiles directly": lambda: _in_batches(lambda some: read_patches(fast, grid, some), coords),
            LIMIT: lambda: _decode(streams),
        }
        return _costs("reading 40x as 20x", methods, len(coords), rounds)


def bench_extraction(slide: Path, scratch: Path, rounds: int) -> list[Cost]:
    """The whole extraction of one slide: opening, tissue, patches, features, feature file."""
    settings = ExtractSettings(encoder="hed_stats", patch_px=PATCH, target_mpp=2 * MPP)
    part = Part("slide", {"slide": "0" * 32, "slide_id": "slide"})

    request = SlideRequest(settings, "slide", slide)

    def extract(slide_encoder: Callable[[], SlideEncoder]) -> Work:
        return lambda: extract_slide(slide_encoder(), prepare(request), part, scratch, Quiet())

    methods = {
        "mean_colour": extract(lambda: SlideEncoder.of(FeatureExtractor(MeanColour(), 0))),
        "hed_stats": extract(lambda: slide_encoder_for(settings)),
    }
    scratch.mkdir(exist_ok=True)
    prepared = prepare(request)
    prepared.reader.close()
    return _costs("end to end", methods, len(prepared.request.coords), rounds)


def largest_difference(slide: Path, count: int) -> int:
    """Largest difference between patches of level 0, not resampled, and those of OpenSlide; 0 if all bytes agree."""
    largest = 0
    with open_slide(slide) as fast, openslide.OpenSlide(slide) as handle:
        grid = plan_grid(fast, PATCH, MPP)
        coords = _coords(fast.width, grid, count)
        for (x, y), patch in zip(coords.tolist(), read_patches(fast, grid, coords), strict=True):
            expected = np.asarray(handle.read_region((x, y), 0, (PATCH, PATCH)).convert("RGB"))
            largest = max(largest, int(np.abs(patch.astype(np.int16) - expected).max()))
    return largest


def costs_table(costs: list[Cost]) -> str:
    """The costs as a Markdown table."""
    lines = [
        "| case | method | patches | CPU ms per patch | x fewer | wall ms per patch | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for cost in costs:
        peak = "" if cost.peak_mb is None else f"{cost.peak_mb:.0f}"
        times = f"{cost.cpu_ms:.2f} | {cost.times_baseline:.1f} | {cost.wall_ms:.2f}"
        lines.append(f"| {cost.case} | {cost.way} | {cost.patches} | {times} | {peak} |")
    return "\n".join(lines)


def _costs(case: str, methods: dict[str, Work], patches: int, rounds: int) -> list[Cost]:
    first = next(iter(methods))
    rows = measure(case, methods, patches * PATCH * PATCH * 3 / 1e9, rounds, baseline=first, limit=first)
    each = 1000 / patches
    return [
        Cost(case, r.way, patches, r.cpu_seconds * each, r.seconds * each, r.cpu_times_baseline, r.peak_mb)
        for r in rows
    ]


def _coords(side: int, grid: PatchGrid, count: int) -> NDArray[np.int32]:
    """The first `count` patches of the slide, row by row."""
    step = round(grid.footprint_x)
    starts = range(0, side - step + 1, step)
    return np.array([(x, y) for y in starts for x in starts][:count], np.int32)


def _in_batches(read: Callable[[NDArray[np.int32]], object], coords: NDArray[np.int32]) -> None:
    for start in range(0, len(coords), BATCH):
        read(coords[start : start + BATCH])


def _bicubic(slide: Path, coords: NDArray[np.int32], grid: PatchGrid) -> None:
    """A patch as most tools read it."""
    size = (grid.read_width, grid.read_height)
    with openslide.OpenSlide(slide) as handle:
        for x, y in coords.tolist():
            region = handle.read_region((x, y), grid.level, size).convert("RGB")
            np.asarray(region.resize((PATCH, PATCH), Image.Resampling.BICUBIC))


def _decode(streams: list[bytes]) -> None:
    tile = np.empty((TILE, TILE, 3), np.uint8)
    for stream in streams:
        simplejpeg.decode_jpeg(stream, "RGB", buffer=tile)


def _streams(slide: Path, coords: NDArray[np.int32], sizes: Sequence[tuple[int, int]]) -> list[bytes]:
    """The JPEG streams of the four tiles of level 0 that each patch intersects."""
    (level,), _ = plain_levels(slide, sizes)
    streams = []
    with slide.open("rb") as file:
        for x, y in (coords // TILE).tolist():
            for cell in ((y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)):
                file.seek(int(level.offsets[cell]))
                streams.append(level.prefix + file.read(int(level.sizes[cell]))[2:])
    return streams


def _mosaic(block: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.uint8]]:
    """Tiles of a level of `size`² pixels that repeats `block`."""
    across, whole = -(-size // TILE), block.shape[0] // TILE
    for row in range(across):
        for column in range(across):
            top, left = row % whole * TILE, column % whole * TILE
            yield np.ascontiguousarray(block[top : top + TILE, left : left + TILE])
