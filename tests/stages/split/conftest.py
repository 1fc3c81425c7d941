"""Folds of small cohorts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts.folds import check
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.split.assign_folds import choose_folds, with_roles
from oceanpath.stages.split.patients import Patients, patients_of
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.work import run

from ...conftest import write_store


def patients(slides: pd.DataFrame, settings: SplitSettings, columns: pd.DataFrame | None = None) -> Patients:
    """The patients of slides with the columns slide_id, patient_id and label."""
    return patients_of(slides, pd.DataFrame(index=slides.index) if columns is None else columns, settings)


def assign_folds(
    slides: pd.DataFrame, settings: SplitSettings, columns: pd.DataFrame | None = None
) -> list[pd.DataFrame]:
    """One frame per fold: the slides with a column `role`."""
    known = patients(slides, settings, columns)
    return [with_roles(known, fold, number, settings) for number, fold in enumerate(choose_folds(known, settings))]


def store_of(names: list[str], out: Path) -> Path:
    write_store(out, {name: np.ones((1, 1)) for name in names})
    return out


def table(patients: int = 20, slides: int = 2) -> pd.DataFrame:
    rows = [(f"p{p:02d}_s{s}.svs", f"p{p:02d}", "R" if p % 2 else "NR") for p in range(patients) for s in range(slides)]
    return pd.DataFrame(rows, columns=["slide_id", "case_id", "label"])


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def go(self, frame: pd.DataFrame, stored: list[str] | None = None, **keys: object) -> Path:
        self.count += 1
        path = self.folder / f"cohort{self.count}.csv"
        frame.to_csv(path, index=False)
        names = stored or [name.removesuffix(".svs") for name in table()["slide_id"]]
        store = store_of(names, self.folder / f"store{self.count}")
        out = self.folder / f"out{self.count}"
        out.mkdir()
        settings = {"labels": path, "patient_id": "case_id", "classes": ("NR", "R"), **keys}
        run(SplitSettings(**settings), Inputs(parents={"mmap": store}), out, Quiet())
        check(out)
        return out


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)
