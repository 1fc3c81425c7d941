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
from oceanpath.stages.curate.rules import UNKNOWN, origin
from oceanpath.stages.curate.settings import CurateSettings
from oceanpath.stages.tables import features_to_read


def run(settings: CurateSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the manifest and its statistics below `out`.

    Raises: ExperimentError: no feature files, two with one slide id, or none that is kept.
    """
    root = features_to_read(inputs.get("extract"), settings.features)
    files = find_features(root)
    if "extract" in inputs.parents:
        inputs.check("extract", [path.relative_to(root).as_posix() for path in files.values()])
    progress.start(len(files), "files")
    judged = []
    for name, path in files.items():
        judged.append(judge(name, path, root, settings))
        progress.advance()
    kept = [one for one in judged if one.verdict is CurationVerdict.KEPT]
    if not kept:
        raise _nothing(settings, root, judged)
    write_manifest(out, [ManifestRow(one.slide_id, one.place, one.cancer_type, one.patches) for one in kept])
    (out / STATS).write_text(report(judged, settings), encoding="utf-8")
    seen, others = feature_set(files.values(), root), describe_unused(root, files.values())
    said = [*([seen.words()] if seen else []), *([f"not read: {others}"] if others else [])]
    return _summary(judged, kept, settings, said)


def judge(name: str, path: Path, root: Path, settings: CurateSettings) -> CuratedFile:
    """The decision about one file. Files of other sources are not opened."""
    place = path.relative_to(root).as_posix()
    source, cancer_type = origin(place, settings.table)
    if source not in settings.sources:
        return CuratedFile(name, place, source, cancer_type, CurationVerdict.SOURCE)
    try:
        layout = layout_of(path, settings.features_key)
    except ArtifactError as error:
        told = ArtifactError(error.what, where=place, expected=error.expected, got=error.got).render()
        return CuratedFile(
            name, place, source, cancer_type, CurationVerdict.UNREADABLE, told=told.replace(str(path), place)
        )
    verdict = CurationVerdict.KEPT if layout.n >= settings.min_patches else CurationVerdict.SMALL
    return CuratedFile(name, place, source, cancer_type, verdict, layout.n, layout.dim)


def _nothing(settings: CurateSettings, root: Path, judged: list[CuratedFile]) -> ExperimentError:
    counts = Counter(one.verdict for one in judged)
    got = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in CurationVerdict if counts[verdict])
    if counts[CurationVerdict.SOURCE] == len(judged):
        do = f"Add curate.rules that match {judged[0].place}, or add its source to curate.sources."
    else:
        do = f"Lower curate.min_patches = {settings.min_patches}, or repair the files."
    where = f"{root} (curate.sources = {', '.join(settings.sources)})"
    broken = [one.told for one in judged if one.told]
    return ExperimentError("no slide is left for pretraining", where=where, got="; ".join([got, *broken[:3]]), do=do)


def _summary(judged: list[CuratedFile], kept: list[CuratedFile], settings: CurateSettings, said: list[str]) -> Summary:
    counts = Counter(one.verdict for one in judged)
    patches = sum(one.patches for one in kept)
    types = Counter(one.cancer_type for one in kept)
    broken = [one.told for one in judged if one.told]
    lines = [f"kept {len(kept)} of {len(judged)} files, {patches} patches"]
    lines += [f"{len(types)} cancer types: {', '.join(f'{name} {count}' for name, count in types.most_common(12))}"]
    lines += (
        [f"left out: {counts[CurationVerdict.SOURCE]} of sources that are not kept"]
        if counts[CurationVerdict.SOURCE]
        else []
    )
    small = f"left out: {counts[CurationVerdict.SMALL]} with fewer than {settings.min_patches} patches"
    lines += [small] if counts[CurationVerdict.SMALL] else []
    lines += [f"left out: {line}" for line in shorten_lines(broken, SHOWN)]
    lines += said
    if types[UNKNOWN]:
        first = next(one.place for one in kept if one.cancer_type == UNKNOWN)
        lines.append(f"{types[UNKNOWN]} kept without a cancer type, first {first}; add it by curate.rules")
    if len(dims := sorted({one.dim for one in kept})) > 1:
        lines.append(f"feature lengths differ: {', '.join(map(str, dims))}; a store accepts one")
    metrics = {"slides": len(kept), "patches": patches, "cancer_types": len(types), "unreadable": len(broken)}
    return Summary(tuple(lines), metrics)
