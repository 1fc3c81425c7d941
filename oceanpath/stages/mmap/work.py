"""Build the store: reuse an earlier one, scan all other files, lay out the bags, write them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.features.folder import describe_unused
from oceanpath.artifacts.features.layouts import SLIDE
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
    reject_changed,
    reject_unusable,
    scan,
    without_coords,
    wrong_dimensions,
)
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.journal import Journal
from oceanpath.stages.mmap.limit import Limit
from oceanpath.stages.mmap.reference import write_source_locations
from oceanpath.stages.mmap.remote import copy_index
from oceanpath.stages.mmap.reuse import Reuse, best_reuse, recipe
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.thumbnails import draw_thumbnails


def run(settings: MmapSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the store of all feature files, or the index of a store in object storage, below `out`."""
    if settings.store and settings.features is None:
        return copy_index(settings, inputs, out, progress)
    folder = find_cohort(settings, inputs)
    reuse, build, unusable, lines, blank = _plan(settings, inputs, folder, best_reuse(settings, folder, inputs.earlier))
    journal = Journal(out, build.plan(), build.layout)
    write_blank(out, blank)
    write_left_out(out, _left_out(folder, unusable))
    progress.start(len(build.files), "slides")
    if reuse is not None:
        progress.note(f"{len(reuse)} slides are reused from an earlier store; {len(build.files)} are new")
        reuse.link(out)
    if journal.finished:
        progress.note(
            f"{len(journal.finished)} slides were written before the last run ended; complete ones are reused"
        )
    with closing(journal), closing(StoreWriter(out, build.layout, resumes=bool(journal.finished))) as writer:
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
    lines += [job.words()] if job else []
    return _summary(
        index, sources, build, unusable, [*lines, *_other_files(folder, [origin.name for origin in origins], unusable)]
    )


def _left_out(folder: FeatureFolder, unusable: Unusable) -> LeftOut:
    """Slides that `extract` left out, and unusable files; reasons name files relative to the folder."""
    earlier = read_left_out(folder.root) if folder.published else LeftOut()
    failed = {slide_id(path): without_coords_text(reason, folder.root) for path, reason in unusable}
    return LeftOut(earlier.excluded, {**earlier.failed, **failed})


def _other_files(folder: FeatureFolder, names: list[str], unusable: Unusable) -> list[str]:
    """A line about other files in a folder of features outside the workspace."""
    if folder.published:
        return []
    others = describe_unused(folder.root, [*(folder.root / name for name in names), *(path for path, _ in unusable)])
    return [f"not read in {folder.root.name}: {others}"] if others else []


class BuildPlan(NamedTuple):
    """Reused bags, bags to write, unusable files, lines for the summary, and blank slides."""

    reuse: Reuse | None
    build: Build
    unusable: Unusable
    lines: list[str]
    blank: list[str]
    """Ids of slides without patches, which have no bag."""


def _plan(settings: MmapSettings, inputs: Inputs, folder: FeatureFolder, reuse: Reuse | None) -> BuildPlan:
    """Decide about every file.

    Raises: ArtifactError: files cannot be used, and that is not allowed; the error lists all of them.
    """
    known = {} if reuse is None else {o.name: reuse.index.slide_id(i) for i, o in enumerate(reuse.origins)}
    limit = Limit.of(folder, folder.find(known), known.values(), allowed=settings.allow_missing)
    paths = limit.paths
    if folder.published:
        inputs.check("extract", map(folder.name, paths.values()))
    files, unusable = scan(paths.values(), settings)
    reject_changed(folder, files, unusable)
    blank = sorted(file.slide_id for file in files if file.blank)
    files = [file for file in files if not file.blank]
    dims = Counter(file.dim for file in files)
    if reuse is not None:
        dims[reuse.index.feature_dim] += len(reuse)
    usual = dims.most_common(1)[0][0] if dims else 0
    wrong = wrong_dimensions(files, usual)
    usable = [file for file in files if file.dim == usual]
    has_coords = settings.coords and any(file.has_coords for file in usable)
    if reuse is not None and (usual != reuse.index.feature_dim or has_coords > reuse.index.has_coords):
        return _plan(settings, inputs, folder, None)  # the new files change the requirements for the others
    if settings.coords:
        lacking = without_coords(usable, len(reuse) if reuse is not None and reuse.index.has_coords else 0)
        wrong, usable = wrong + lacking, [file for file in usable if file.has_coords or not lacking]
    reject_unusable(unusable + wrong, len(known) + len(paths), allowed=settings.allow_missing)
    if blank and not files and reuse is None:
        do = "Check the images in the folder masks of extract."
        raise ArtifactError("all slides are blank", where=folder.root, got=", ".join(blank[:5]), do=do)
    build = Build.of(usable, folder, settings, reuse)
    lines = [*limit.lines, *([f"{len(blank)} blank slides left out: {', '.join(blank)}"] if blank else [])]
    return BuildPlan(reuse, build, unusable + wrong, lines, blank)


def _summary(index: Index, sources: SourceFiles, build: Build, unusable: Unusable, notes: list[str]) -> Summary:
    """The summary; it does not depend on the number of reused bags."""
    total, stored = int(index.raw_lengths.sum()), int(index.lengths.sum())
    capped = int((index.lengths < index.raw_lengths).sum())
    without_coords = "" if index.has_coords else ", no coordinates"
    content = f"{stored} patches with {index.feature_dim} features{without_coords}"
    if build.settings.level == SLIDE:
        content = f"one embedding of {index.feature_dim} features per slide"
    lines = [f"{len(index.slide_ids)} slides, {content}"]
    lines += [f"{capped} slides capped, {total - stored} patches left out"] if capped else []
    metrics = {"slides": len(index.slide_ids), "patches": stored, "left_out": len(unusable)}
    if build.settings.mode == "adopt":
        metrics["adopted"] = int(sources.adopted().sum())
        lines.append(f"{metrics['adopted']} slides referenced: their features are read from the feature files")
        lines += build.copied()
    lines += notes
    lines += [f"left out: {reason}" for _, reason in unusable]
    layouts = [name.decode() for name in sources.layouts.tolist()]
    counts = Counter(layouts[code] for code in sources.layout_codes.tolist())
    lines += [f"{count} files: {layout}" for layout, count in counts.most_common()]
    return Summary(tuple(lines), metrics)
