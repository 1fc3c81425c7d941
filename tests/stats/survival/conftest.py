"""Tables of survival: drawn ones with ties and censoring, and published ones beside the project."""

import csv

import numpy as np
import pytest

from ..conftest import PUBLISHED

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw_rows(seed: int, n: int = 40, decimals: int = 0) -> Rows:
    """Times with ties, events, and risks with ties that are related to the times."""
    random = np.random.default_rng(seed)
    risk = np.round(random.normal(size=n), 1)
    time = np.round(random.exponential(8, n) * np.exp(-0.7 * risk), decimals) + 1
    return time, random.random(n) < 0.6, risk


@pytest.fixture(scope="session")
def lung() -> Rows:
    """Time, event (death) and sex of the lung table of R's survival package, as lifelines ships it."""
    return read("lung.csv", "time", "status", "sex")


@pytest.fixture(scope="session")
def rossi() -> Rows:
    """Weeks until arrest, arrest, and financial aid (Rossi et al. 1980)."""
    return read("rossi.csv", "week", "arrest", "fin")


def read(name: str, *columns: str) -> Rows:
    if not PUBLISHED.is_dir():
        pytest.skip("the published tables are not beside the project")
    with (PUBLISHED / "survival" / name).open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    time, event, group = (np.array([float(row[column]) for row in rows]) for column in columns)
    return time, event == event.max(), group
