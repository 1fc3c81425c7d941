"""The bags that are not in an earlier store: their positions, and writing them in parallel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureFile, open_bag
from oceanpath.artifacts.store.reader import Index
from oceanpath.artifacts.store.source_files import SourceFile
from oceanpath.artifacts.store.writer import StoreLayout, StoreWriter
from oceanpath.bags.cap import Cap
from oceanpath.errors import ArtifactError, shorten_list
from oceanpath.pipeline.stage import Progress
from oceanpath.stages.mmap.blocks import stored_blocks
from oceanpath.stages.mmap.cohort import one_encoder, reject_unusable
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.journal import Journal, plan_digest
from oceanpath.stages.mmap.reference import source_file_of, why_copied, with_digests
from oceanpath.stages.mmap.reuse import Reuse, recipe
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.threads import in_threads, short_calls

LIGHT_BYTES = 1 << 19
"""Size below which the interpreter takes longer than reading, hashing and writing a bag."""


@dataclass(frozen=True)
class Build:
    """Files whose bags this build writes or references."""

    files: list[FeatureFile]
    folder: FeatureFolder
    settings: MmapSettings
    reasons: list[str]
    """Why a file cannot be referenced; "" for files that can."""
    layout: StoreLayout
    encoder: str

    @classmethod
    def of(
        cls, files: list[FeatureFile], folder: FeatureFolder, settings: MmapSettings, reuse: Reuse | None = None
    ) -> Build:
        """Decide whether each file is copied or referenced, and lay out the bags after the reused ones.

        Raises: ArtifactError: the files are from several encoders, or one is too short.
        """
        adopts, cap = settings.mode == "adopt", settings.max_instances
        reasons = [why_copied(file, settings) if adopts else "copied" for file in files]
        kept = [file.n if cap is None else min(file.n, cap) for file in files]
        is_referenced = [not reason for reason in reasons]
        coords = settings.coords and any(file.has_coords for file in files)
        dim, chunks, encoders = 0, 0, {file.encoder for file in files}
        if reuse is not None:
            coords, dim, chunks = reuse.index.has_coords, reuse.index.feature_dim, len(reuse.chunks)
            encoders.add(reuse.index.encoder)
        dim = dim or files[0].dim
        chunk_bytes = int(settings.chunk_gb * 2**30)
        layout = StoreLayout.of(kept, dim, settings.dtype, coords, chunk_bytes, is_referenced).behind(chunks)
        adopted = [file for file, referenced in zip(files, is_referenced, strict=True) if referenced]
        folder = with_digests(folder, adopted, settings.workers)
        return cls(files, folder, settings, reasons, layout, one_encoder(encoders))

    def plan(self) -> str:
        """32 hex digits of everything that determines these bags and their positions; "" if unknown."""
        slides = [(file.slide_id, self.folder.digests.get(self.folder.name(file.path), "")) for file in self.files]
        return plan_digest(self.layout, slides, recipe(self.settings))

    def write(self, writer: StoreWriter, journal: Journal, progress: Progress) -> list[bytes]:
        """Write every slide except those in the journal; returns the digests of all."""

        def put(number: int) -> tuple[bytes, str]:
            try:
                digest = journal.finished.get(number)
                if digest is None or writer.reread(number) != digest:
                    digest = self._put(number, writer)
                    if self.reasons[number]:
                        journal.add(number, digest)
            except ArtifactError as error:
                return b"", error.render()
            progress.advance()
            return digest.encode(), ""

        sizes = np.where(self.layout.feature_offsets < 0, 0, self.layout.lengths * self.layout.row_bytes)
        results: dict[int, tuple[bytes, str]] = {}
        largest_first = np.argsort(-sizes, kind="stable")  # so that threads finish at about the same time
        heavy = largest_first[: int((sizes >= LIGHT_BYTES).sum())].tolist()
        light = np.flatnonzero(sizes < LIGHT_BYTES).tolist()
        for chosen, at_once in ((heavy, in_threads), (light, short_calls)):
            results |= zip(chosen, at_once(put, chosen, self.settings.workers), strict=True)
        failed = [(self.files[i].path, text) for i, (_, text) in sorted(results.items()) if text]
        reject_unusable(failed, len(self.files), allowed=False)
        return [results[i][0] for i in range(len(self.files))]

    def _put(self, number: int, writer: StoreWriter) -> str:
        """Write one slide, block by block; returns the digest of its bag."""
        file = self.files[number]
        with open_bag(file) as bag:
            coords = bag.coords() if self.settings.coords else None
            if not self.reasons[number]:
                return writer.reference(number, self.folder.digests[self.folder.name(file.path)], coords)
            rows = _rows(file, coords, self.settings)
            if rows is not None and coords is not None:
                coords = coords[rows]
            return writer.stream(number, stored_blocks(bag, rows, self.settings.dtype), coords)

    def index(self, digests: list[bytes]) -> Index:
        """The index of these files."""
        names, counts = [file.slide_id for file in self.files], [file.n for file in self.files]
        footprints = [np.nan if file.patch_px_level0 is None else file.patch_px_level0 for file in self.files]
        return self.layout.index(names, digests, counts, footprints, self.encoder)

    def origins(self) -> list[SourceFile]:
        """The source files of these bags."""
        return [source_file_of(f, not why, self.folder) for f, why in zip(self.files, self.reasons, strict=True)]

    def copied(self) -> list[str]:
        """Lines about the slides that could not be referenced, by reason."""
        lines = []
        for reason, count in Counter(reason for reason in self.reasons if reason).most_common():
            names = [f.slide_id for f, why in zip(self.files, self.reasons, strict=True) if why == reason]
            lines.append(f"{count} slides copied, {reason}: {shorten_list(names)}")
        return lines


def _rows(file: FeatureFile, coords: NDArray[np.int32] | None, settings: MmapSettings) -> NDArray[np.int64] | None:
    if settings.max_instances is None:
        return None
    cap = Cap(settings.max_instances, settings.cap_strategy, settings.cap_grid, settings.seed)
    return cap.rows(file.n, coords, file.slide_id)
