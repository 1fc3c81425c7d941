"""Build the store: scan every file, lay the bags out, then write them side by side."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features import FeatureFile, OpenBag, open_bag
from oceanpath.artifacts.store import Index
from oceanpath.artifacts.store_writer import Layout, StoreWriter
from oceanpath.bags.cap import chosen_rows, stratified_rows
from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.mmap.adopt import remember_places, sources_of, why_copied, with_digests
from oceanpath.stages.mmap.blocks import stored_blocks
from oceanpath.stages.mmap.cohort import (
    Bad,
    FeatureFolder,
    find_cohort,
    general,
    in_threads,
    odd_dimensions,
    one_encoder,
    refuse,
    scan,
)
from oceanpath.stages.mmap.settings import MmapSettings

SHOWN = 5


def run(settings: MmapSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the store of all feature files below `out`."""
    folder = find_cohort(settings, inputs)
    files, bad = scan(folder.paths.values(), settings.workers)
    bad += odd_dimensions(files)
    broken = {path for path, _ in bad}
    files = [file for file in files if file.path not in broken]
    refuse(bad, len(folder.paths), allowed=settings.allow_missing)
    progress.start(len(files), "slides")
    build = Build.of(files, folder, settings)
    with closing(StoreWriter(out, build.layout)) as writer:
        digests = build.write(writer, progress)
    build.index(digests).save(out)
    sources_of(files, build.stays, build.folder, "").save(out)
    if any(build.stays):
        remember_places(out, folder, [file.stamp for file in files])
    return build.summary(bad)


@dataclass(frozen=True)
class Build:
    """The files of a store, and where each of their bags will lie."""

    files: list[FeatureFile]
    folder: FeatureFolder
    settings: MmapSettings
    reasons: list[str]
    """Of each file that cannot be adopted, why; nothing for those that can."""
    layout: Layout

    @classmethod
    def of(cls, files: list[FeatureFile], folder: FeatureFolder, settings: MmapSettings) -> Build:
        """Decide about each file, and lay the store out."""
        adopts, cap = settings.mode == "adopt", settings.max_instances
        reasons = [why_copied(file, settings) if adopts else "copied" for file in files]
        kept = [file.n if cap is None else min(file.n, cap) for file in files]
        coords, chunk_bytes = any(file.has_coords for file in files), int(settings.chunk_gb * 2**30)
        stays = [not reason for reason in reasons]
        layout = Layout.of(kept, files[0].dim, settings.dtype, coords, chunk_bytes, stays)
        adopted = [file for file, stay in zip(files, stays, strict=True) if stay]
        return cls(files, with_digests(folder, adopted, settings.workers), settings, reasons, layout)

    @property
    def stays(self) -> list[bool]:
        """Whose features stay in their own file."""
        return [not reason for reason in self.reasons]

    def write(self, writer: StoreWriter, progress: Progress) -> list[bytes]:
        """Put every slide at its place; returns their digests."""

        def put(number: int) -> tuple[bytes, str]:
            try:
                digest = self._put(number, writer).encode()
            except ArtifactError as error:
                return b"", error.render()
            progress.advance()
            return digest, ""

        results = in_threads(put, range(len(self.files)), self.settings.workers)
        failed = [(self.files[i].path, text) for i, (_, text) in enumerate(results) if text]
        refuse(failed, len(self.files), allowed=False)
        return [digest for digest, _ in results]

    def _put(self, number: int, writer: StoreWriter) -> str:
        """Put one slide at its place, block by block; returns the digest of what was written."""
        file, dtype = self.files[number], self.settings.dtype
        with open_bag(file) as bag:
            coords = self._coords(bag)
            if not self.reasons[number]:
                return writer.adopt(number, self.folder.digests[self.folder.name(file.path)], coords)
            rows = _rows(file, coords, self.settings)
            if rows is not None and coords is not None:
                coords = coords[rows]
            return writer.stream(number, stored_blocks(bag, rows, dtype), coords)

    def _coords(self, bag: OpenBag) -> NDArray[np.int32] | None:
        coords = bag.coords()
        if coords is None and self.layout.has_coords:
            raise ArtifactError("this slide has no coordinates while others have", where=bag.file.path)
        return coords

    def index(self, digests: list[bytes]) -> Index:
        """What index_arrays.npz says."""
        footprints = [np.nan if file.patch_px_level0 is None else file.patch_px_level0 for file in self.files]
        return Index(
            slide_ids=np.array([file.slide_id.encode() for file in self.files]),
            lengths=self.layout.lengths,
            raw_lengths=np.array([file.n for file in self.files], np.int64),
            chunk_ids=self.layout.chunk_ids,
            feature_offsets=self.layout.feature_offsets,
            coord_offsets=self.layout.coord_offsets,
            digests=np.array(digests),
            patch_px_level0=np.array(footprints, np.float64),
            feature_dim=self.layout.dim,
            feature_dtype=self.layout.dtype,
            has_coords=self.layout.has_coords,
            encoder=one_encoder(self.files),
        )

    def summary(self, bad: Bad) -> Summary:
        """What is said at the end."""
        total, stored = sum(file.n for file in self.files), int(self.layout.lengths.sum())
        capped = sum(int(k) < file.n for k, file in zip(self.layout.lengths, self.files, strict=True))
        layouts = Counter(general(file.layout) for file in self.files)
        placeless = "" if self.layout.has_coords else ", no coordinates"
        lines = [f"{len(self.files)} slides, {stored} patches of {self.layout.dim} features{placeless}"]
        lines += [f"{capped} slides capped, {total - stored} patches left out"] if capped else []
        lines += self._adoption() if self.settings.mode == "adopt" else []
        lines += [f"left out: {reason}" for _, reason in bad]
        lines += [f"{count} files: {layout}" for layout, count in layouts.most_common()]
        metrics = {"slides": len(self.files), "patches": stored, "left_out": len(bad)}
        if self.settings.mode == "adopt":
            metrics["adopted"] = sum(self.stays)
        return Summary(tuple(lines), metrics)

    def _adoption(self) -> list[str]:
        """How many slides stay in their files, and which do not, by reason."""
        lines = [f"{sum(self.stays)} slides adopted: their features stay in their own files"]
        for reason, count in Counter(reason for reason in self.reasons if reason).most_common():
            names = [f.slide_id for f, why in zip(self.files, self.reasons, strict=True) if why == reason]
            more = f" and {count - SHOWN} more" if count > SHOWN else ""
            lines.append(f"{count} slides copied, {reason}: {', '.join(names[:SHOWN])}{more}")
        return lines


def _rows(file: FeatureFile, coords: NDArray[np.int32] | None, settings: MmapSettings) -> NDArray[np.int64] | None:
    if settings.max_instances is None or file.n <= settings.max_instances:
        return None
    if coords is None or settings.cap_strategy == "random":
        return chosen_rows(file.n, settings.max_instances, settings.seed, 0, file.slide_id)
    return stratified_rows(coords, settings.max_instances, settings.cap_grid, settings.seed, file.slide_id)
