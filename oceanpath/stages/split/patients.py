"""One row per patient: its stratum, its site, and the columns of the label table that folds are balanced by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.tasks.base import Task

Groups = dict[str, list[list[str]]]
"""Stratum → its cells (patients with the same values of the balanced columns) → their patients, sorted."""
BARCODE = re.compile(r"TCGA-([A-Z0-9]{2})-[A-Z0-9]{4}(-|$)")
"""TCGA barcode; its second part is the tissue source site."""


@dataclass(frozen=True)
class Patients:
    """The patients of a cohort."""

    frame: pd.DataFrame
    """Indexed by patient, sorted; columns stratum, cell and site, text; site is "" where it is unknown."""
    strata: tuple[str, ...]
    """Names of the strata, in order."""
    slides: pd.DataFrame
    """One row per slide: slide_id, patient_id, label."""
    columns: pd.DataFrame
    """Further columns of the label table, text, one row per row of `slides`."""
    several_sites: tuple[str, ...] = ()
    """Patients with slides of several sites; their site is "" in `frame`."""

    def groups(self, without: frozenset[str] = frozenset()) -> Groups:
        """The patients by stratum and cell, except those of `without`."""
        kept = self.frame[~self.frame.index.isin(without)]
        cells: dict[tuple[str, str], list[str]] = {}
        for patient, stratum, cell in zip(kept.index, kept["stratum"], kept["cell"], strict=True):
            cells.setdefault((stratum, cell), []).append(str(patient))
        ordered = sorted(cells.items())
        return {name: [names for (stratum, _), names in ordered if stratum == name] for name in self.strata}

    def sites(self) -> dict[str, list[str]]:
        """Site → its patients, both sorted.

        Raises: ExperimentError: a patient has no site, or several.
        """
        if self.several_sites:
            got = f"{len(self.several_sites)}: {shorten_list(self.several_sites)}"
            do = "Correct the column, so that all slides of a patient have one site."
            raise ExperimentError("patients have slides of several sites", where="[data] site", got=got, do=do)
        if missing := self.frame.index[self.frame["site"] == ""].tolist():
            got = f"{len(missing)} of {len(self.frame)} patients, first {missing[0]}"
            do = 'Name the column with data.site, or set data.site_rule = "tcga_barcode" for TCGA barcodes.'
            raise ExperimentError("patients have no site", where="[data] site", got=got, do=do)
        sites: dict[str, list[str]] = {name: [] for name in sorted(set(self.frame["site"]))}
        for patient, site in zip(self.frame.index, self.frame["site"], strict=True):
            sites[site].append(str(patient))
        return sites


def patients_of(slides: pd.DataFrame, columns: pd.DataFrame, settings: SplitSettings) -> Patients:
    """The patients of the slides of a cohort.

    Args:
        slides: Columns slide_id, patient_id, label.
        columns: Further columns of the label table, one row per row of `slides`.
        settings: The site, and the columns that folds are balanced by.
    """
    task = settings.target()
    frame = _strata(slides, task)
    cells = [_main_value(slides["patient_id"], columns[name]).reindex(frame.index) for name in settings.stratify]
    frame["cell"] = ["\x1f".join(values) for values in zip(*cells, strict=True)] if cells else ""
    sites = _slide_sites(slides, columns, settings)
    by_patient = sites.groupby(slides["patient_id"]).agg(["nunique", "first"])
    several = by_patient.index[by_patient["nunique"] > 1]
    frame["site"] = by_patient["first"].mask(by_patient["nunique"] > 1, "").reindex(frame.index)
    names = task.strata(slides["label"].tolist()).names
    return Patients(frame, names, slides, columns, tuple(sorted(several)))


def _strata(slides: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Each patient with the stratum of most of its slides; of equals, the first in their order."""
    strata = task.strata(slides["label"].tolist())
    rows = slides[["patient_id"]].assign(rank=strata.rows)
    counts = rows.groupby(["patient_id", "rank"]).size().reset_index(name="slides")
    order = counts.sort_values(["patient_id", "slides", "rank"], ascending=[True, False, True])
    main = order.drop_duplicates("patient_id").set_index("patient_id").sort_index()
    return pd.DataFrame({"stratum": [strata.names[rank] for rank in main["rank"]]}, index=main.index)


def _main_value(patients: pd.Series, cells: pd.Series) -> pd.Series:
    """Each patient's most frequent value; of equals, the first in alphabetical order."""
    counts = pd.DataFrame({"patient": patients, "value": cells}).value_counts().reset_index(name="slides")
    order = counts.sort_values(["patient", "slides", "value"], ascending=[True, False, True])
    return order.drop_duplicates("patient").set_index("patient")["value"]


def _slide_sites(slides: pd.DataFrame, columns: pd.DataFrame, settings: SplitSettings) -> pd.Series:
    """The site of each slide; "" where it is unknown."""
    if settings.site_rule:
        return pd.Series(_barcode_sites(slides["patient_id"].tolist()), index=slides.index, dtype=object)
    if settings.site:
        return columns[settings.site]
    return pd.Series("", index=slides.index)


def _barcode_sites(patients: Sequence[str]) -> list[str]:
    """Tissue source sites of TCGA barcodes.

    Raises: ExperimentError: a patient id is no TCGA barcode.
    """
    found = [BARCODE.match(name) for name in patients]
    if wrong := sorted({name for name, match in zip(patients, found, strict=True) if match is None}):
        do = "Remove data.site_rule, or name a column of sites with data.site."
        got = f"{len(wrong)}: {shorten_list(wrong)}"
        raise ExperimentError("patient ids are no TCGA barcodes", where="[data] site_rule", got=got, do=do)
    return [match[1] for match in found if match is not None]
