"""Select feature files for pretraining by their path and shape."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from oceanpath.artifacts.features.files import layout_of
from oceanpath.artifacts.features.folder import describe_unused, find_features
from oceanpath.artifacts.features.trident_job import feature_set
from oceanpath.artifacts.pretrain_manifest import STATS, ManifestRow, write_manifest
from oceanpath.errors import ArtifactError, ExperimentError, shorten_lines
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.curate.report import SHOWN, CuratedFile, CurationVerdict, report
from oceanpath.stages.curate.rules import UNKNOWN, source_of
from oceanpath.stages.curate.settings import CurateSettings
from oceanpath.stages.tables import features_to_read


def run(settings: CurateSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the manifest and its statistics below `out`.

    Raises: ExperimentError: no feature files, two with the same slide id, or none that is kept.
    """
    root = features_to_read(inputs.get("extract"), settings.features)
    files = find_features(root)
    if "extract" in inputs.parents:
        inputs.check("extract", [path.relative_to(root).as_posix() for path in files.values()])
    progress.start(len(files), "files")
    curated = []
    for name, path in files.items():
        curated.append(curate_file(name, path, root, settings))
        progress.advance()
    kept = [file for file in curated if file.verdict is CurationVerdict.KEPT]
    if not kept:
        raise _nothing_kept(settings, root, curated)
    rows = [ManifestRow(file.slide_id, file.relative_path, file.cancer_type, file.patches) for file in kept]
    write_manifest(out, rows)
    (out / STATS).write_text(report(curated, settings), encoding="utf-8")
    features, others = feature_set(files.values(), root), describe_unused(root, files.values())
    notes = [*([features.words()] if features else []), *([f"not read: {others}"] if others else [])]
    return _summary(curated, kept, settings, notes)


def curate_file(name: str, path: Path, root: Path, settings: CurateSettings) -> CuratedFile:
    """The decision about one file. Files of other sources are not opened."""
    relative_path = path.relative_to(root).as_posix()
    source, cancer_type = source_of(relative_path, settings.table)
    if source not in settings.sources:
        return CuratedFile(name, relative_path, source, cancer_type, CurationVerdict.SOURCE)
    try:
        layout = layout_of(path, settings.features_key)
    except ArtifactError as error:
        relative = ArtifactError(error.what, where=relative_path, expected=error.expected, got=error.got)
        text = relative.render().replace(str(path), relative_path)
        return CuratedFile(name, relative_path, source, cancer_type, CurationVerdict.UNREADABLE, error=text)
    verdict = CurationVerdict.KEPT if layout.n >= settings.min_patches else CurationVerdict.SMALL
    return CuratedFile(name, relative_path, source, cancer_type, verdict, layout.n, layout.dim)


def _nothing_kept(settings: CurateSettings, root: Path, files: list[CuratedFile]) -> ExperimentError:
    counts = Counter(file.verdict for file in files)
    got = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in CurationVerdict if counts[verdict])
    if counts[CurationVerdict.SOURCE] == len(files):
        do = f"Add curate.rules that match {files[0].relative_path}, or add its source to curate.sources."
    else:
        do = f"Lower curate.min_patches = {settings.min_patches}, or repair the files."
    where = f"{root} (curate.sources = {', '.join(settings.sources)})"
    broken = [file.error for file in files if file.error]
    return ExperimentError("no slide is left for pretraining", where=where, got="; ".join([got, *broken[:3]]), do=do)


def _summary(files: list[CuratedFile], kept: list[CuratedFile], settings: CurateSettings, notes: list[str]) -> Summary:
    counts = Counter(file.verdict for file in files)
    patches = sum(file.patches for file in kept)
    types = Counter(file.cancer_type for file in kept)
    broken = [file.error for file in files if file.error]
    lines = [f"kept {len(kept)} of {len(files)} files, {patches} patches"]
    lines += [f"{len(types)} cancer types: {', '.join(f'{name} {count}' for name, count in types.most_common(12))}"]
    lines += (
        [f"left out: {counts[CurationVerdict.SOURCE]} of sources that are not kept"]
        if counts[CurationVerdict.SOURCE]
        else []
    )
    small = f"left out: {counts[CurationVerdict.SMALL]} with fewer than {settings.min_patches} patches"
    lines += [small] if counts[CurationVerdict.SMALL] else []
    lines += [f"left out: {line}" for line in shorten_lines(broken, SHOWN)]
    lines += notes
    if types[UNKNOWN]:
        first = next(file.relative_path for file in kept if file.cancer_type == UNKNOWN)
        lines.append(f"{types[UNKNOWN]} kept without a cancer type, first {first}; set it with curate.rules")
    if len(dims := sorted({file.dim for file in kept})) > 1:
        lines.append(f"feature dimensions differ: {', '.join(map(str, dims))}; a store accepts only one")
    metrics = {"slides": len(kept), "patches": patches, "cancer_types": len(types), "unreadable": len(broken)}
    return Summary(tuple(lines), metrics)
