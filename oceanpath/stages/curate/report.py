"""The decision about every file, as a text report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from statistics import median

from oceanpath.stages.curate.settings import CurateSettings

HEAD = ("source", "cancer_type", "files", "kept", "not_kept_source", "too_few", "unreadable")
SIZES = ("patches", "min", "median", "max")
SHOWN = 20


class CurationVerdict(Enum):
    """The decision about a file."""

    KEPT = "kept"
    SOURCE = "of sources that are not kept"
    SMALL = "with too few patches"
    UNREADABLE = "that cannot be read"


@dataclass(frozen=True)
class CuratedFile:
    """One feature file and the decision about it."""

    slide_id: str
    relative_path: str
    """Path below the folder of features, with ``/``."""
    source: str
    cancer_type: str
    verdict: CurationVerdict
    patches: int = 0
    """0 if the file was not opened or cannot be read."""
    dim: int = 0
    error: str = ""
    """Why it cannot be read, with its path."""


def report(files: list[CuratedFile], settings: CurateSettings) -> str:
    """The statistics as text: a table by source and cancer type, then every file that was left out."""
    least = settings.min_patches
    groups = {verdict: [file for file in files if file.verdict is verdict] for verdict in CurationVerdict}
    dims = sorted(Counter(file.dim for file in groups[CurationVerdict.KEPT]).items())
    folders = sorted(Counter(file.relative_path.split("/")[0] for file in groups[CurationVerdict.SOURCE]).items())
    small = [f"{file.relative_path}: {file.patches}" for file in groups[CurationVerdict.SMALL]]
    lines = ["Slides for pretraining", f"kept: {', '.join(settings.sources)}; at least {least} patches per slide"]
    lines += [f"feature dimension {dim}: {count} slides" for dim, count in dims]
    lines += ["", *_table(files)]
    lines += _section("Of sources that are not kept, by top-level folder", [f"{name}: {n}" for name, n in folders])
    lines += _section("Cannot be read", [file.error for file in groups[CurationVerdict.UNREADABLE]])
    lines += _section(f"Fewer than {least} patches", small)
    return "\n".join(lines) + "\n"


def _table(files: list[CuratedFile]) -> list[str]:
    """One line per source and cancer type, sorted, and one for all, in aligned columns."""
    ordered = sorted(files, key=lambda file: (file.source, file.cancer_type))
    groups = groupby(ordered, key=lambda file: (file.source, file.cancer_type))
    rows = [(*name, *_counts(list(members))) for name, members in groups]
    rows.append(("all", "", *_counts(files)))
    cells = [[*HEAD, *SIZES], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    pad = [str.ljust, str.ljust, *[str.rjust] * (len(widths) - 2)]
    aligned = [[fit(cell, width) for fit, cell, width in zip(pad, row, widths, strict=True)] for row in cells]
    return ["  ".join(row).rstrip() for row in aligned]


def _counts(members: list[CuratedFile]) -> tuple[object, ...]:
    verdicts = Counter(file.verdict for file in members)
    sizes = [file.patches for file in members if file.verdict is CurationVerdict.KEPT]
    spread = (min(sizes), f"{median(sizes):g}", max(sizes)) if sizes else ("-", "-", "-")
    return (len(members), *(verdicts[verdict] for verdict in CurationVerdict), sum(sizes), *spread)


def _section(title: str, lines: Iterable[str]) -> list[str]:
    listed = [f"  {line}" for line in lines]
    return ["", f"{title}:", *listed] if listed else []
