"""The C-indices that the authors of MCAT published for their models, from the risks that they published."""

import csv
from collections import defaultdict

import numpy as np
import pytest

from oceanpath.stats.survival.concordance import harrell

from ..conftest import PUBLISHED

MCAT = PUBLISHED.parent / "mcat_survival"


@pytest.mark.skipif(not MCAT.is_dir(), reason="the published risks are not beside the project")
def test_c_indices_are_the_published_ones() -> None:
    tables = defaultdict(list)
    with (MCAT / "val_risks.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            key = (row["model"], row["study"], row["fold"])
            tables[key].append([float(row[name]) for name in ("survival_months", "censorship", "risk")])
    with (MCAT / "published_fold_cindex.csv").open(newline="") as handle:
        published = {(r["model"], r["study"], r["fold"]): float(r["published"]) for r in csv.DictReader(handle)}
    assert len(published) == 110 and tables.keys() == published.keys()
    for key, expected in published.items():
        time, censored, risk = np.array(tables[key]).T
        assert harrell(time, censored == 0, risk).value == pytest.approx(expected, abs=1e-12)
