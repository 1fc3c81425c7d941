"""What extraction says about a slide, and about a cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from oceanpath.artifacts.features.files import scan_features
from oceanpath.artifacts.features.metadata import FeatureMeta, read_meta
from oceanpath.pipeline.stage import Summary
from oceanpath.stages.extract.settings import ExtractSettings

SHOWN = 10
MUCH_INK = 0.02
"""Part of a slide from which pen is worth a word."""


def slide_summary(name: str, patches: int, meta: FeatureMeta) -> Summary:
    """One slide: its patches, who told its mpp, through what it was read."""
    words = [f"{patches} patches" if patches else f"blank ({meta.tissue_share:.1%} tissue), no patches"]
    words += [f"mpp {meta.mpp_x:g} ({meta.mpp_source})"]
    words += [f"pen on {meta.ink_share:.0%} of the slide"] if meta.ink_share >= MUCH_INK else []
    words += [f"{meta.undecodable_patches} patches left out: pixels cannot be decoded"] * bool(meta.undecodable_patches)
    if meta.undecodable_share:
        words += [f"{meta.undecodable_share:.1%} of the overview cannot be decoded and was taken for glass"]
    words += ["contours relative to the scanned area"] * bool(meta.tissue_origin)
    words += [f"read through {meta.reader} ({meta.reader_reason})"] if meta.reader_reason else []
    metrics = {"patches": patches, "mpp": meta.mpp_x, "mpp_source": meta.mpp_source, "reader": meta.reader}
    return Summary((f"{name}: {', '.join(words)}",), metrics)


def cohort_summary(files: Mapping[str, Path], settings: ExtractSettings, others: list[str]) -> Summary:
    """All slides: patches, and how many came by which source of mpp and which reader; blank slides by name.

    `others` are lines about what was not extracted.
    """
    patches = {name: scan_features(path).n for name, path in files.items()}
    metas = {name: read_meta(path) for name, path in files.items()}
    blank = [name for name, meta in metas.items() if meta.blank]
    total, least, most = sum(patches.values()), min(patches.values()), max(patches.values())
    lines = [
        f"{len(files)} slides, {total} patches ({least} to {most} a slide)",
        f"encoder {settings.encoder}, {settings.patch_px} px at {settings.target_mpp:g} µm a pixel",
        f"mpp from {_counts(meta.mpp_source for meta in metas.values())}",
    ]
    if readers := [meta.reader for meta in metas.values() if meta.reader]:
        lines.append(f"read through {_counts(readers)}")
    lines += [f"blank, no patches: {_some(blank)}"] if blank else []
    if damaged := {name: meta.undecodable_patches for name, meta in metas.items() if meta.undecodable_patches}:
        named = _some([f"{name} ({count})" for name, count in damaged.items()])
        lines.append(f"{sum(damaged.values())} patches left out, pixels cannot be decoded: {named}")
    lines += others
    metrics = {"slides": len(files), "patches": total, "encoder": settings.encoder}
    return Summary(tuple(lines), metrics | ({"blank": len(blank)} if blank else {}))


def _counts(words: Iterable[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in sorted(Counter(words).items()))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
