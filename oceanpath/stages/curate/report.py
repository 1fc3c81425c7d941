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
    place: str
    """Path below the folder of features, with ``/``."""
    source: str
    cancer_type: str
    verdict: CurationVerdict
    patches: int = 0
    """0 if the file was not opened or cannot be read."""
    dim: int = 0
    told: str = ""
    """Why it cannot be read, with its path."""


def report(judged: list[CuratedFile], settings: CurateSettings) -> str:
    """The statistics as text: a table by source and cancer type, then every file that was left out."""
    least, of = (
        settings.min_patches,
        {verdict: [o for o in judged if o.verdict is verdict] for verdict in CurationVerdict},
    )
    lengths = sorted(Counter(one.dim for one in of[CurationVerdict.KEPT]).items())
    folders = sorted(Counter(one.place.split("/")[0] for one in of[CurationVerdict.SOURCE]).items())
    lines = ["Slides for pretraining", f"kept: {', '.join(settings.sources)}; at least {least} patches a slide"]
    lines += [f"feature length {dim}: {count} slides" for dim, count in lengths]
    lines += ["", *_table(judged)]
    lines += _section("Of sources that are not kept, by first folder", [f"{name}: {n}" for name, n in folders])
    lines += _section("Cannot be read", [one.told for one in of[CurationVerdict.UNREADABLE]])
    lines += _section(
        f"Fewer than {least} patches", [f"{one.place}: {one.patches}" for one in of[CurationVerdict.SMALL]]
    )
    return "\n".join(lines) + "\n"


def _table(judged: list[CuratedFile]) -> list[str]:
    """One line per source and cancer type, sorted, and one for all, in aligned columns."""
    ordered = sorted(judged, key=lambda one: (one.source, one.cancer_type))
    groups = groupby(ordered, key=lambda one: (one.source, one.cancer_type))
    rows = [(*name, *_counts(list(members))) for name, members in groups]
    rows.append(("all", "", *_counts(judged)))
    cells = [[*HEAD, *SIZES], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    pad = [str.ljust, str.ljust, *[str.rjust] * (len(widths) - 2)]
    aligned = [[fit(cell, width) for fit, cell, width in zip(pad, row, widths, strict=True)] for row in cells]
    return ["  ".join(row).rstrip() for row in aligned]


def _counts(members: list[CuratedFile]) -> tuple[object, ...]:
    verdicts = Counter(one.verdict for one in members)
    sizes = [one.patches for one in members if one.verdict is CurationVerdict.KEPT]
    spread = (min(sizes), f"{median(sizes):g}", max(sizes)) if sizes else ("-", "-", "-")
    return (len(members), *(verdicts[verdict] for verdict in CurationVerdict), sum(sizes), *spread)


def _section(title: str, lines: Iterable[str]) -> list[str]:
    listed = [f"  {line}" for line in lines]
    return ["", f"{title}:", *listed] if listed else []
