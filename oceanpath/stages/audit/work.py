"""Audit: read the folds and every bag once, run all checks, write audit.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from oceanpath.artifacts.audit_report import FOUND, Finding, write_audit
from oceanpath.artifacts.cohort.slide_columns import read_slide_columns
from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.patient_bags import one_row_per_slide, read_patient_bags
from oceanpath.artifacts.sites import read_sites
from oceanpath.artifacts.store.reader import Store
from oceanpath.audit.duplicates import ScannedSlides, identical_features, near_duplicates, scan
from oceanpath.audit.overlaps import shared_units
from oceanpath.audit.pretraining import pretraining_groups
from oceanpath.audit.shortcuts import (
    LabelledSlides,
    as_bins,
    as_groups,
    label_from,
    label_from_column,
    make_labelled,
    shuffled_labels,
)
from oceanpath.audit.sites import robustness, site_from_features
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.audit.settings import AuditSettings
from oceanpath.tasks.evaluation import MEAN
from oceanpath.tasks.registry import read_task


def run(settings: AuditSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write audit.json below `out`.

    Raises: ExperimentError: a column is missing. ArtifactError: an input is damaged.
    """
    bags, store = read_patient_bags(inputs["split"]), Store(inputs["mmap"], check=inputs.verify)
    roles = one_row_per_slide(_read_roles(inputs["split"]), bags)
    owner = dict(zip(roles["slide_id"], roles["patient_id"], strict=True))
    progress.start(len(owner), "slides")
    scanned = scan(store, owner, progress.advance)
    others = pretraining_groups(roles, inputs.get("pretrain"), settings.pretrained)
    findings = [
        shared_units(roles, "slide", others),
        shared_units(roles, "patient", others),
        identical_features(scanned, roles),
        near_duplicates(scanned, roles, similarity=settings.similarity, shared_patches=settings.shared_patches),
    ]
    progress.phase("predicting labels from other properties")
    findings += _shortcuts(settings, inputs, roles, scanned, store)
    write_audit(findings, out)
    found = [finding.check for finding in findings if finding.verdict == FOUND]
    lines = [f"{finding.check}: {finding.text}" for finding in findings if finding.verdict == FOUND]
    summary = f"{len(findings)} checks, {len(found)} with findings"
    return Summary((summary, *lines), {"checks": len(findings), "found": len(found)})


def _read_roles(split: Path) -> pd.DataFrame:
    """One row per fold and bag."""
    folds = range(read_splits(split)["folds"])
    return pd.concat([read_fold(split, k).assign(fold=k) for k in folds], ignore_index=True)


def _read_sites(split: Path) -> pd.DataFrame | None:
    """One row per slide; None without sites."""
    sites = read_sites(split)
    return None if sites is None else one_row_per_slide(sites, read_patient_bags(split))


def _shortcuts(
    settings: AuditSettings, inputs: Inputs, roles: pd.DataFrame, scanned: ScannedSlides, store: Store
) -> list[Finding]:
    slides = _labelled(settings, inputs["split"], roles, scanned)
    sites, margin = _read_sites(inputs["split"]), settings.margin
    means = scanned.means.astype(np.float32)
    found = [
        label_from(slides, "label_from_bag_length", "the number of patches", as_bins(np.log(scanned.lengths)), margin)
    ]
    if sites is not None:
        site = sites.set_index("slide_id")["site"].reindex(scanned.slides).tolist()
        found.append(label_from(slides, "label_from_site", "the site", as_groups(site), margin))
    found += [
        label_from_column(slides, "label_from_columns", f"column {name}", cells, margin)
        for name, cells in _columns(settings, inputs, scanned.slides).items()
    ]
    sizes = [f"{store.index.patch_px_level0[store.number(name)]:g}" for name in scanned.slides]
    found.append(label_from_column(slides, "label_from_store", "the patch size at level 0", sizes, margin))
    order = as_bins(np.arange(len(scanned.slides), dtype=np.float64))
    found.append(label_from(slides, "label_from_order", "the position in the list of files", order, margin))
    if sites is not None:
        rows = [scanned.slides.index(name) for name in sites["slide_id"]]
        found.append(site_from_features(sites, means[rows], margin))
        found.append(robustness(sites, means[rows], slides.task, settings.smallest_robustness))
    if MEAN in slides.task.baselines.values():
        found.append(shuffled_labels(slides, means, settings.shuffles, settings.seed, margin))
    return found


def _labelled(settings: AuditSettings, split: Path, roles: pd.DataFrame, scanned: ScannedSlides) -> LabelledSlides:
    """The slides with the fitting and test rows of every fold of the first repeat."""
    splits, row_of = read_splits(split), {name: row for row, name in enumerate(scanned.slides)}
    labels = dict(zip(roles["slide_id"], roles["label"], strict=True))
    folds = []
    for number, entry in enumerate(splits["plan"]):
        if entry["repeat"] == splits["plan"][0]["repeat"] and entry["ensemble"] == number:
            fold = roles[roles["fold"] == number]
            rows = np.asarray(fold["slide_id"].map(row_of), np.int64)
            tested = (fold["role"] == "test").to_numpy()
            folds.append((rows[~tested], rows[tested]))
    named = [labels[name] for name in scanned.slides]
    task = read_task(splits, split)
    return make_labelled(task, named, scanned.patients, folds, settings.resamples, settings.seed)


def _columns(settings: AuditSettings, inputs: Inputs, slides: list[str]) -> dict[str, list[str]]:
    """Column → the cells of the slides. Raises: ExperimentError: a column is missing."""
    demo = inputs.get("demo")
    path = settings.labels or (None if demo is None else demo / "cohort.csv")
    if not settings.columns or path is None:
        return {}
    return read_slide_columns(path, settings.question(), slides, settings.match_ids)
