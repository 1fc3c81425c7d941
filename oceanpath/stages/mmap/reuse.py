"""Reuse of an earlier store: its bags of unchanged files, in chunks that are hard-linked instead of written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.layouts import SLIDE
from oceanpath.artifacts.gather import link_file
from oceanpath.artifacts.store.columns import take
from oceanpath.artifacts.store.reader import COORD_ALIGN, COORD_BYTES, PAGE, Index, chunk_name, stored_dtype
from oceanpath.artifacts.store.remote import is_remote
from oceanpath.artifacts.store.source_files import SourceFile, SourceFiles, Stamp, read_stamps
from oceanpath.artifacts.store.writer import padded
from oceanpath.errors import ArtifactError
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.stage import STAGE

KINDS = ("features", "coords")
SMALL_CHUNKS = 64
"""Maximum number of chunks below half the configured size; with more, all of these are rewritten."""


@dataclass(frozen=True)
class Reuse:
    """Slides whose bags in an earlier store are equal to those of this one."""

    folder: Path
    chunks: list[int]
    """Chunks of the earlier store that become chunks 0, 1, … of this one."""
    index: Index
    """The entries of only these slides, in the new chunks."""
    origins: list[SourceFile]
    stamps: list[Stamp]

    def __len__(self) -> int:
        return len(self.origins)

    def link(self, out: Path) -> None:
        """Link the chunks into `out`. Raises: OSError: the earlier store was removed."""
        for new, old in enumerate(self.chunks):
            for kind in KINDS:
                chunk = self.folder / chunk_name(kind, old)
                if chunk.exists():
                    link_file(chunk, out / chunk_name(kind, new))


def recipe(settings: MmapSettings) -> str:
    """Digest of everything that determines a bag, except its file."""
    parts: dict[str, Any] = {"version": STAGE.version, "mode": settings.mode, "dtype": settings.dtype}
    parts["coords"] = settings.coords
    if settings.features_key:
        parts["features_key"] = settings.features_key
    if settings.level == SLIDE:
        parts["level"] = settings.level
    if settings.max_instances is not None:
        parts |= {"cap": settings.max_instances, "strategy": settings.cap_strategy, "grid": settings.cap_grid}
        parts |= {"seed": settings.seed, "numpy": np.__version__.split(".")[0]}
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def best_reuse(settings: MmapSettings, cohort: FeatureFolder, earlier: Iterable[Path]) -> Reuse | None:
    """The reuse with the most patches among earlier stores; None if no bag can be reused."""
    candidates = (_reuse(settings, cohort, folder) for folder in earlier)
    return max((reuse for reuse in candidates if reuse), key=lambda reuse: int(reuse.index.lengths.sum()), default=None)


def _reuse(settings: MmapSettings, cohort: FeatureFolder, folder: Path) -> Reuse | None:
    if is_remote(folder):  # its features are not here
        return None
    try:
        sources, index = SourceFiles.load(folder), Index.load(folder)
        if sources.recipe != recipe(settings):
            return None
        columns = (index.slide_ids.tolist(), sources.names.tolist(), sources.digests.tolist())
        same = [
            bool(digest)
            and cohort.digests.get(os.fsdecode(name)) == digest.decode()
            and cohort.is_selected(slide.decode())
            for slide, name, digest in zip(*columns, strict=True)
        ]
        rows, chunks = _worthwhile(folder, index, np.flatnonzero(same), int(settings.chunk_gb * 2**30))
        if not len(rows):
            return None
        stamps = read_stamps(folder)
    except (ArtifactError, OSError):
        return None  # of an older format, damaged, or pruned in the meantime
    kept = take(index.rows(), rows)
    kept["chunk_ids"] = np.searchsorted(chunks, kept["chunk_ids"])
    unknown: Stamp = (0, 0, 0)
    return Reuse(
        folder=folder,
        chunks=chunks.tolist(),
        index=index.with_rows(kept),
        origins=sources.origins(rows),
        stamps=[unknown] * len(rows) if stamps is None else [(a, b, c) for a, b, c in stamps[rows].tolist()],
    )


def _worthwhile(
    folder: Path, index: Index, rows: NDArray[np.int64], chunk_bytes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows in chunks worth linking, and these chunks: at least half of their bytes are still used."""
    row_bytes = index.feature_dim * stored_dtype(index.feature_dtype).itemsize
    features = padded(np.where(index.feature_offsets < 0, 0, index.lengths * row_bytes), PAGE)
    sizes = features + (padded(index.lengths * COORD_BYTES, COORD_ALIGN) if index.has_coords else 0)
    used = np.bincount(index.chunk_ids[rows], sizes[rows], minlength=1)
    paths = [[folder / chunk_name(kind, chunk) for kind in KINDS] for chunk in range(len(used))]
    stored = np.array([sum(path.stat().st_size for path in both if path.exists()) for both in paths])
    kept = (used > 0) & (2 * used >= stored)
    small = kept & (used < chunk_bytes / 2)
    if small.sum() > SMALL_CHUNKS:
        kept &= ~small
    chunks = np.flatnonzero(kept)
    return rows[np.isin(index.chunk_ids[rows], chunks)], chunks
