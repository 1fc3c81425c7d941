"""Build the store: take over what an earlier one has, look into every other file, lay the bags out, write them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.features.folder import passed_over
from oceanpath.artifacts.features.trident_job import feature_set
from oceanpath.artifacts.left_out import LeftOut, read_left_out, without_coords_text, write_left_out
from oceanpath.artifacts.store.blank_slides import write_blank
from oceanpath.artifacts.store.columns import join, take
from oceanpath.artifacts.store.reader import Index
from oceanpath.artifacts.store.source_files import SourceFiles
from oceanpath.artifacts.store.writer import StoreWriter
from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.mmap.build import Build
from oceanpath.stages.mmap.cohort import (
    Unusable,
    find_cohort,
    odd_dimensions,
    refuse,
    refuse_changed,
    scan,
    without_coords,
)
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.journal import Journal
from oceanpath.stages.mmap.limit import Limit
from oceanpath.stages.mmap.reference import write_source_locations
from oceanpath.stages.mmap.reuse import Reuse, best_reuse, recipe
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.thumbnails import draw_thumbnails


def run(settings: MmapSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the store of all feature files below `out`."""
    folder = find_cohort(settings, inputs)
    reuse, build, bad, said, blank = _plan(settings, inputs, folder, best_reuse(settings, folder, inputs.earlier))
    journal = Journal(out, build.plan(), build.layout)
    write_blank(out, blank)
    write_left_out(out, _left_out(folder, bad))
    progress.start(len(build.files), "slides")
    if reuse is not None:
        progress.note(f"{len(reuse)} slides are in an earlier store and are taken over; {len(build.files)} are new")
        reuse.link(out)
    if journal.told:
        progress.note(f"{len(journal.told)} slides were written before the last run ended; those that are whole stay")
    with closing(journal), closing(StoreWriter(out, build.layout, goes_on=bool(journal.told))) as writer:
        index = build.index(build.write(writer, journal, progress))
    origins, stamps = build.origins(), [file.stamp for file in build.files]
    if reuse is not None:
        origins, stamps = [*reuse.origins, *origins], [*reuse.stamps, *stamps]
        index = index.with_rows(join(reuse.index.rows(), index.rows()))
    order = np.argsort(index.slide_ids, kind="stable")
    index = replace(index.with_rows(take(index.rows(), order)), check_reads=settings.verify)
    index.save(out)
    sources = SourceFiles.of([origins[i] for i in order.tolist()], recipe(settings))
    sources.save(out)
    if sources.adopted().any():
        write_source_locations(out, folder, [stamps[i] for i in order.tolist()])
    if settings.coverage_thumbnails:
        draw_thumbnails(out, folder.root, progress, settings.features_key)
    job = feature_set([folder.root / origin.name for origin in origins], folder.root)
    said += [job.words()] if job else []
    return _summary(index, sources, build, bad, [*said, *_beside(folder, [origin.name for origin in origins], bad)])


def _left_out(folder: FeatureFolder, bad: Unusable) -> LeftOut:
    """What `extract` left out, and the files that cannot be used; reasons name files below the folder."""
    earlier = read_left_out(folder.root) if folder.published else LeftOut()
    failed = {slide_id(path): without_coords_text(reason, folder.root) for path, reason in bad}
    return LeftOut(earlier.excluded, {**earlier.failed, **failed})


def _beside(folder: FeatureFolder, names: list[str], bad: Unusable) -> list[str]:
    """What lies in a folder of features that is not ours, and is none."""
    if folder.published:
        return []
    others = passed_over(folder.root, [*(folder.root / name for name in names), *(path for path, _ in bad)])
    return [f"not read in {folder.root.name}: {others}"] if others else []


class BuildPlan(NamedTuple):
    """What is taken over, what is written, the files that cannot be used, and what is said of a manifest."""

    reuse: Reuse | None
    build: Build
    bad: Unusable
    said: list[str]
    blank: list[str]
    """Ids of the slides that have no patches, and so no bag."""


def _plan(settings: MmapSettings, inputs: Inputs, folder: FeatureFolder, reuse: Reuse | None) -> BuildPlan:
    """Decide about every file.

    Raises: ArtifactError: files cannot be used, and that is not allowed; all of them are listed.
    """
    known = {} if reuse is None else {o.name: reuse.index.slide_id(i) for i, o in enumerate(reuse.origins)}
    limit = Limit.of(folder, folder.find(known), known.values(), allowed=settings.allow_missing)
    paths = limit.paths
    if folder.published:
        inputs.check("extract", map(folder.name, paths.values()))
    files, bad = scan(paths.values(), settings.workers, settings.features_key)
    refuse_changed(folder, files, bad)
    blank = sorted(file.slide_id for file in files if file.blank)
    files = [file for file in files if not file.blank]
    dims = Counter(file.dim for file in files)
    if reuse is not None:
        dims[reuse.index.feature_dim] += len(reuse)
    usual = dims.most_common(1)[0][0] if dims else 0
    odd = odd_dimensions(files, usual)
    fit = [file for file in files if file.dim == usual]
    placed = settings.coords and any(file.has_coords for file in fit)
    if reuse is not None and (usual != reuse.index.feature_dim or placed > reuse.index.has_coords):
        return _plan(settings, inputs, folder, None)  # the new files change what the others must be
    if settings.coords:
        lost = without_coords(fit, len(reuse) if reuse is not None and reuse.index.has_coords else 0)
        odd, fit = odd + lost, [file for file in fit if file.has_coords or not lost]
    refuse(bad + odd, len(known) + len(paths), allowed=settings.allow_missing)
    if blank and not files and reuse is None:
        do = "Look at the pictures in extract's folder masks."
        raise ArtifactError("all slides are blank", where=folder.root, got=", ".join(blank[:5]), do=do)
    build = Build.of(fit, folder, settings, reuse)
    said = [*limit.lines, *([f"{len(blank)} blank, left out: {', '.join(blank)}"] if blank else [])]
    return BuildPlan(reuse, build, bad + odd, said, blank)


def _summary(index: Index, sources: SourceFiles, build: Build, bad: Unusable, said: list[str]) -> Summary:
    """What is said at the end: the same however much was taken over."""
    total, stored = int(index.raw_lengths.sum()), int(index.lengths.sum())
    capped = int((index.lengths < index.raw_lengths).sum())
    without_coords = "" if index.has_coords else ", no coordinates"
    lines = [f"{len(index.slide_ids)} slides, {stored} patches of {index.feature_dim} features{without_coords}"]
    lines += [f"{capped} slides capped, {total - stored} patches left out"] if capped else []
    metrics = {"slides": len(index.slide_ids), "patches": stored, "left_out": len(bad)}
    if build.settings.mode == "adopt":
        metrics["adopted"] = int(sources.adopted().sum())
        lines.append(f"{metrics['adopted']} slides adopted: their features stay in their own files")
        lines += build.copied()
    lines += said
    lines += [f"left out: {reason}" for _, reason in bad]
    layouts = [name.decode() for name in sources.layouts.tolist()]
    seen = Counter(layouts[code] for code in sources.layout_codes.tolist())
    lines += [f"{count} files: {layout}" for layout, count in seen.most_common()]
    return Summary(tuple(lines), metrics)
