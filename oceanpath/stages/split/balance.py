"""How the classes, the sites and other columns are spread over the roles of every fold."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from oceanpath.artifacts.folds import BALANCE_COLUMNS, ROLES
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings

SITE = "site"


def balance_table(patients: Patients, folds: Sequence[pd.DataFrame], settings: SplitSettings) -> pd.DataFrame:
    """One row per fold, role, column and value, with its numbers of patients and slides."""
    values = _values(patients, settings).set_index(patients.slides["slide_id"])
    tables = [_fold_balance(number, fold, values) for number, fold in enumerate(folds)]
    return pd.concat(tables, ignore_index=True)[BALANCE_COLUMNS]


def _values(patients: Patients, settings: SplitSettings) -> pd.DataFrame:
    """One column per balanced column, one row per slide, text; missing values are ""."""
    task, slides = settings.target(), patients.slides
    strata = task.strata(slides["label"].tolist())
    values = {"label": [strata.names[rank] for rank in strata.rows]}
    if settings.site or settings.site_rule:
        values[settings.site or SITE] = patients.frame["site"].reindex(slides["patient_id"]).tolist()
    for name in (*settings.stratify, *settings.balance):
        values.setdefault(name, patients.columns[name].tolist())
    return pd.DataFrame(values, dtype=str)


def _fold_balance(number: int, fold: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    own = values.reindex(fold["slide_id"]).reset_index(drop=True)
    tables = []
    for name in values.columns:
        cells = pd.DataFrame({"role": fold["role"], "value": own[name], "patient": fold["patient_id"]})
        grouped = cells.groupby(["role", "value"], sort=True)["patient"]
        counts = grouped.agg(patients="nunique", slides="size")
        full = pd.MultiIndex.from_product([ROLES, sorted(set(own[name]))], names=["role", "value"])
        rows = counts.reindex(full, fill_value=0).reset_index()
        tables.append(rows.assign(fold=number, column=name))
    return pd.concat(tables, ignore_index=True)
