"""Summaries of the extraction of a slide, and of a cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from oceanpath.artifacts.features.files import scan_features
from oceanpath.artifacts.features.metadata import FeatureMeta, read_meta
from oceanpath.errors import shorten_list
from oceanpath.pipeline.stage import Summary
from oceanpath.stages.extract.settings import ExtractSettings

SHOWN = 10
MUCH_INK = 0.02
"""Minimum fraction of a slide for which pen marks are reported."""


def slide_summary(name: str, patches: int, meta: FeatureMeta) -> Summary:
    """One slide: its patches, the source of its mpp, and its reader."""
    facts = [f"{patches} patches" if patches else f"blank ({meta.tissue_share:.1%} tissue), without patches"]
    facts += [f"mpp {meta.mpp_x:g} ({meta.mpp_source})"]
    facts += [f"pen marks on {meta.ink_share:.0%} of the slide"] if meta.ink_share >= MUCH_INK else []
    facts += [f"{meta.undecodable_patches} patches left out because pixels cannot be decoded"] * bool(
        meta.undecodable_patches
    )
    if meta.undecodable_share:
        facts += [f"{meta.undecodable_share:.1%} of the overview cannot be decoded and is treated as glass"]
    facts += ["contours relative to the scanned area"] * bool(meta.tissue_origin)
    facts += [f"read with {meta.reader} ({meta.reader_reason})"] if meta.reader_reason else []
    metrics = {"patches": patches, "mpp": meta.mpp_x, "mpp_source": meta.mpp_source, "reader": meta.reader}
    return Summary((f"{name}: {', '.join(facts)}",), metrics)


def cohort_summary(files: Mapping[str, Path], settings: ExtractSettings, others: list[str]) -> Summary:
    """All slides: patches, slides per source of mpp and per reader, and names of blank slides.

    `others` are lines about slides and files that were not extracted.
    """
    patches = {name: scan_features(path).n for name, path in files.items()}
    metas = {name: read_meta(path) for name, path in files.items()}
    blank = [name for name, meta in metas.items() if meta.blank]
    total, least, most = sum(patches.values()), min(patches.values()), max(patches.values())
    lines = [
        f"{len(files)} slides, {total} patches ({least} to {most} per slide)",
        f"encoder {settings.encoder}, {settings.patch_px} px at {settings.target_mpp:g} µm per pixel",
        f"mpp from {_counts(meta.mpp_source for meta in metas.values())}",
    ]
    if readers := [meta.reader for meta in metas.values() if meta.reader]:
        lines.append(f"read with {_counts(readers)}")
    lines += [f"blank, without patches: {shorten_list(blank, SHOWN)}"] if blank else []
    if damaged := {name: meta.undecodable_patches for name, meta in metas.items() if meta.undecodable_patches}:
        named = shorten_list([f"{name} ({count})" for name, count in damaged.items()], SHOWN)
        lines.append(f"{sum(damaged.values())} patches left out because pixels cannot be decoded: {named}")
    lines += others
    metrics = {"slides": len(files), "patches": total, "encoder": settings.encoder}
    return Summary(tuple(lines), metrics | ({"blank": len(blank)} if blank else {}))


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))
