"""What a cohort of a given size needs on a cluster: arithmetic with measured constants, without running anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEDGER_BYTES = 772
"""Bytes of the ledger per part: a row of part, of artifact and of metric. `oceanpath bench ledger`."""
LEDGER_SECONDS = 0.02
"""Time of one transaction with a part on a local disk that others use too. `oceanpath bench ledger`."""
START_CPU_US = 3.4
"""Processor time at the start of every run per published part: a folder of 100,000 entries was listed in 0.34 s."""
RUN_BYTES = 2500
"""Memory of a run per part of its largest step: the work item, its submission and its result."""
INDEX_BYTES = 145
"""Bytes of a store's index per slide; readers map it into memory. 958 slides of TCGA lung."""
TASK_SECONDS = 5.0
"""Start of an array task: the scheduler, Python and the encoder."""
LISTING = 100_000
"""Entries of one folder above which network file systems list it slowly."""


@dataclass(frozen=True)
class Site:
    """The cluster and the features."""

    patches: int = 4400
    """Mean number of patches per slide."""
    dim: int = 1024
    chunk: int = 25
    """Slides per array task."""
    array: int = 1000
    """Largest number of tasks per array."""
    nodes: int = 8
    rate: float = 400.0
    """Patches per second and node."""
    disk_mb_s: float = 1000.0
    """Read bandwidth per node of the shared file system."""
    memory_gb: float = 256.0
    """Memory of a node."""
    chunk_gb: float = 8.0
    """Largest file of the store: `mmap.chunk_gb`."""
    link_mb_s: float = 100.0
    """Bandwidth of object storage per node."""


@dataclass(frozen=True)
class Needs:
    """The needs of one cohort."""

    slides: int
    tasks: int
    arrays: int
    extract_days: float
    """Extraction on all nodes, with the start of each task."""
    store_gb: float
    store_files: int
    index_mb: float
    ledger_mb: float
    collect_minutes: float
    """Time in which the run records all parts in the ledger."""
    epoch_minutes: float
    """One pass over the store on one node: from memory's disk cache if it fits, otherwise from the file system."""
    copy_hours: float
    """One copy of the store from object storage to a disk of one node."""
    start_s: float
    """Processor time that published parts add to the start of every run."""
    run_mb: float
    """Memory that the parts take in the run that waits for them."""
    limits: tuple[str, ...]
    """What no longer works well, and what to do."""


def needs(slides: int, site: Site) -> Needs:
    """The needs of a cohort of `slides` slides."""
    tasks = math.ceil(slides / site.chunk)
    bag_mb = site.patches * site.dim * 2 / 1e6
    store_gb = slides * bag_mb / 1e3
    seconds = slides * site.patches / site.rate + tasks * TASK_SECONDS
    waves = max(1.0, math.ceil(tasks / site.nodes) * site.nodes / tasks)
    found = Needs(
        slides=slides,
        tasks=tasks,
        arrays=math.ceil(tasks / site.array),
        extract_days=seconds * waves / site.nodes / 86_400,
        store_gb=store_gb,
        store_files=math.ceil(store_gb / site.chunk_gb),
        index_mb=slides * INDEX_BYTES / 1e6,
        ledger_mb=slides * LEDGER_BYTES / 1e6,
        collect_minutes=slides * LEDGER_SECONDS / 60,
        epoch_minutes=store_gb * 1e3 / site.disk_mb_s / 60,
        copy_hours=store_gb * 1e3 / site.link_mb_s / 3600,
        start_s=slides * START_CPU_US / 1e6,
        run_mb=slides * RUN_BYTES / 1e6,
        limits=(),
    )
    return Needs(**{**vars(found), "limits": tuple(_limits(found, site))})


def _limits(found: Needs, site: Site) -> list[str]:
    rules = (
        (found.arrays > 1, f"{found.arrays} arrays: they are submitted one after the other without a change"),
        (found.store_gb > site.memory_gb, "the store does not fit into memory: every epoch reads the file system"),
        (found.epoch_minutes > 60, "an epoch reads for more than an hour: cap bags, or copy the store to local disks"),
        (found.copy_hours > 12, "a copy from object storage takes more than 12 hours: use a shared file system"),
        (found.slides > LISTING, "one folder has more than 100,000 parts, which network file systems list slowly"),
        (found.run_mb > 1000, "the run takes more than 1 GB on the login node: submit it as a job of its own"),
    )
    return [text for applies, text in rules if applies]


COLUMNS = (
    ("slides", "slides", ",d"),
    ("array tasks", "tasks", ",d"),
    ("arrays", "arrays", ",d"),
    ("extraction, days", "extract_days", ",.1f"),
    ("store GB", "store_gb", ",.0f"),
    ("store files", "store_files", ",d"),
    ("index MB", "index_mb", ",.1f"),
    ("ledger MB", "ledger_mb", ",.1f"),
    ("recording of all parts, min", "collect_minutes", ",.1f"),
    ("start of a run, additional CPU s", "start_s", ",.2f"),
    ("memory of a run, MB", "run_mb", ",.0f"),
    ("epoch from disk, min", "epoch_minutes", ",.1f"),
    ("copy from object storage, h", "copy_hours", ",.1f"),
)


def needs_table(rows: list[Needs]) -> str:
    """The needs as a Markdown table with one column per cohort, and the limits of each."""
    lines = [f"| | {' | '.join(f'{row.slides:,}' for row in rows)} |", f"|---|{'---|' * len(rows)}"]
    for title, name, form in COLUMNS[1:]:
        lines.append(f"| {title} | {' | '.join(format(getattr(row, name), form) for row in rows)} |")
    for row in rows:
        lines += ["", f"{row.slides:,} slides:", *(f"- {text}" for text in row.limits or ("no limit is reached",))]
    return "\n".join(lines)
