"""Build the store: scan every file, lay the bags out, then write them side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.blank_slides import write_blank
from oceanpath.artifacts.features import FeatureFile, find_features, open_bag, scan_features
from oceanpath.artifacts.store import Index
from oceanpath.artifacts.store_writer import Layout, StoreWriter
from oceanpath.bags.cap import chosen_rows, stratified_rows
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.mmap.blocks import stored_blocks
from oceanpath.stages.mmap.settings import MmapSettings

T = TypeVar("T")
R = TypeVar("R")
SHOWN = 20


def run(settings: MmapSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the store of all feature files below `out`."""
    paths = find_features(_source(settings, inputs))
    files, bad = _scan(list(paths.values()), settings.workers)
    bad += _odd_dimensions(files)
    broken = {path for path, _ in bad}
    blank = [file.slide_id for file in files if file.blank]
    files = [file for file in files if file.path not in broken and not file.blank]
    _refuse(bad, len(paths), allowed=settings.allow_missing)
    if not files:
        do = "Look at the pictures in extract's masks folder."
        raise ArtifactError("all slides are blank", where=next(iter(paths.values())).parent, do=do)
    write_blank(out, blank)
    progress.start(len(files), "slides")
    kept = [file.n if settings.max_instances is None else min(file.n, settings.max_instances) for file in files]
    coords = any(file.has_coords for file in files)
    layout = Layout.of(kept, files[0].dim, settings.dtype, coords, int(settings.chunk_gb * 2**30))
    with closing(StoreWriter(out, layout)) as writer:
        digests = _write(files, writer, settings, progress)
    _index(files, layout, digests).save(out)
    return _summary(files, kept, bad, blank, coords)


def _write(files: list[FeatureFile], writer: StoreWriter, settings: MmapSettings, progress: Progress) -> list[bytes]:
    """Put every slide at its place; returns their digests."""

    def copy(number: int) -> tuple[bytes, str]:
        try:
            digest = _copy(files[number], number, writer, settings).encode()
        except ArtifactError as error:
            return b"", error.render()
        progress.advance()
        return digest, ""

    results = _in_threads(copy, range(len(files)), settings.workers)
    _refuse([(files[i].path, text) for i, (_, text) in enumerate(results) if text], len(files), allowed=False)
    return [digest for digest, _ in results]


def _source(settings: MmapSettings, inputs: Inputs) -> Path:
    extracted = inputs.get("extract")
    if extracted is not None and settings.features is not None:
        raise ExperimentError("features come from [extract] and from data.features", do="Keep one of the two.")
    found = extracted or settings.features
    if found is None:
        do = "Set data.features, or data.slides to extract them, with --set or in the file."
        raise ExperimentError("there are no slides and no features to start from", where="[data]", do=do)
    return found


def _scan(paths: list[Path], workers: int) -> tuple[list[FeatureFile], list[tuple[Path, str]]]:
    """Shapes of all files, and (file, reason) for each that cannot be used."""

    def look(path: Path) -> FeatureFile | tuple[Path, str]:
        try:
            return scan_features(path)
        except ArtifactError as error:
            return path, error.render()

    found = _in_threads(look, paths, workers)
    return [f for f in found if isinstance(f, FeatureFile)], [f for f in found if isinstance(f, tuple)]


def _odd_dimensions(files: list[FeatureFile]) -> list[tuple[Path, str]]:
    """Files whose feature length differs from the most common one."""
    if not files:
        return []
    usual = Counter(file.dim for file in files).most_common(1)[0][0]
    text = "wrong feature length; expected {}, got {}"
    return [(f.path, f"{f.path.name}: {text.format(usual, f.dim)}") for f in files if f.dim != usual]


def _refuse(bad: list[tuple[Path, str]], total: int, *, allowed: bool) -> None:
    """End the stage with one list of all bad files, unless the user allowed to go on without them."""
    if not bad or (allowed and len(bad) < total):
        return
    listed = "".join(f"\n  {reason}" for _, reason in bad[:SHOWN])
    more = f"\n  and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    do = f"Mend or remove them, or set data.allow_missing = true to go on without them.{listed}{more}"
    raise ArtifactError(f"{len(bad)} of {total} feature files cannot be used", do=do)


def _copy(file: FeatureFile, number: int, writer: StoreWriter, settings: MmapSettings) -> str:
    """Put one slide at its place, block by block; returns the digest of what was written."""
    with open_bag(file) as bag:
        coords = bag.coords()
        if coords is None and writer.layout.has_coords:
            raise ArtifactError("this slide has no coordinates while others have", where=file.path)
        rows = _rows(file, coords, settings)
        if rows is not None and coords is not None:
            coords = coords[rows]
        return writer.stream(number, stored_blocks(bag, rows, settings.dtype), coords)


def _rows(file: FeatureFile, coords: NDArray[np.int32] | None, settings: MmapSettings) -> NDArray[np.int64] | None:
    if settings.max_instances is None or file.n <= settings.max_instances:
        return None
    if coords is None or settings.cap_strategy == "random":
        return chosen_rows(file.n, settings.max_instances, settings.seed, 0, file.slide_id)
    return stratified_rows(coords, settings.max_instances, settings.cap_grid, settings.seed, file.slide_id)


def _index(files: list[FeatureFile], layout: Layout, digests: list[bytes]) -> Index:
    footprints = [np.nan if file.patch_px_level0 is None else file.patch_px_level0 for file in files]
    return Index(
        slide_ids=np.array([file.slide_id.encode() for file in files]),
        lengths=layout.lengths,
        raw_lengths=np.array([file.n for file in files], np.int64),
        chunk_ids=layout.chunk_ids,
        feature_offsets=layout.feature_offsets,
        coord_offsets=layout.coord_offsets,
        digests=np.array(digests),
        patch_px_level0=np.array(footprints, np.float64),
        feature_dim=layout.dim,
        feature_dtype=layout.dtype,
        has_coords=layout.has_coords,
        encoder=_encoder(files),
    )


def _encoder(files: list[FeatureFile]) -> str:
    """The one encoder that made all files, or nothing when they do not say."""
    names = sorted({file.encoder for file in files})
    if len(names) > 1:
        said = ", ".join(name or "(not said)" for name in names)
        raise ArtifactError("feature files come from different encoders", got=said, do="Keep one encoder a folder.")
    return names[0]


def _summary(
    files: list[FeatureFile], kept: list[int], bad: list[tuple[Path, str]], blank: list[str], coords: bool
) -> Summary:
    total, stored = sum(file.n for file in files), sum(kept)
    capped = sum(k < file.n for k, file in zip(kept, files, strict=True))
    layouts = Counter(re.sub(r"\[\d+, ", "[N, ", file.layout) for file in files)  # whatever their patch counts
    lines = [
        f"{len(files)} slides, {stored} patches of {files[0].dim} features" + ("" if coords else ", no coordinates")
    ]
    lines += [f"{capped} slides capped, {total - stored} patches left out"] if capped else []
    lines += [f"left out: {reason}" for _, reason in bad]
    lines += [f"{len(blank)} blank, left out: {', '.join(sorted(blank))}"] if blank else []
    lines += [f"{count} files: {layout}" for layout, count in layouts.most_common()]
    metrics = {"slides": len(files), "patches": stored, "left_out": len(bad)}
    return Summary(tuple(lines), metrics | ({"blank": len(blank)} if blank else {}))


def _in_threads(call: Callable[[T], R], things: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `things`; reading, hashing and writing leave the interpreter free."""
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        return list(pool.map(call, things))
