from dataclasses import replace

import numpy as np
import pytest

from oceanpath.bench.coverage import (
    VERDICTS,
    Cell,
    Covered,
    auroc_cells,
    cover_auroc,
    cover_proportion,
    coverage_table,
    draw_scores,
    proportion_cells,
    verdicts,
)
from oceanpath.stats.discrimination import auroc
from oceanpath.stats.intervals.registry import AUROC_METHODS

CELL = Cell(60, 0.3, 0.97, 5, 0.4)


def test_a_cohort_has_the_stated_patients_area_and_correlation():
    rng, areas, same = np.random.default_rng(0), [], []
    for _ in range(300):
        labels, scores, patients = draw_scores(CELL, rng)
        assert len(set(patients[labels == 1])) == CELL.positives == 18 and len(set(patients)) == 60
        areas.append(auroc(labels, np.stack([1 - scores, scores], axis=1)).value or 0.0)
        first = np.flatnonzero(np.r_[patients[1:] == patients[:-1], False])
        same += [(scores[i], scores[i + 1]) for i in first if labels[i] == 0]
    assert np.mean(areas) == pytest.approx(0.97, abs=0.003)
    assert np.corrcoef(np.array(same).T)[0, 1] == pytest.approx(0.385, abs=0.03)  # of ranks: 6/π arcsin(0.4/2)


def test_the_default_covers_where_the_percentiles_do_not():
    found = {row.method: row for row in cover_auroc(CELL, ["logit_delong", "percentile"], 300, 200, 1)}
    assert found["logit_delong"].verdict in ("holds", "conservative")
    assert found["percentile"].verdict == "too narrow" and found["percentile"].low > 7


def test_every_method_gives_an_interval_that_contains_the_value():
    found = cover_auroc(replace(CELL, target=0.8), list(AUROC_METHODS), 5, 200, 1)
    assert [row.method for row in found] == list(AUROC_METHODS) and all(row.missing == 0 for row in found)
    assert all(0.05 < row.width < 0.4 for row in found)


def test_no_interval_is_counted():
    (row,) = cover_auroc(Cell(20, 0.1, 0.9, 1, 0.0), ["logit_delong"], 20, 0, 1)
    assert row.missing == 100 and row.verdict == "no interval" and "no interval" in coverage_table([row])


def test_proportions_are_covered():
    (row,) = cover_proportion(Cell(60, 1.0, 0.9, 5, 0.8), 1000, 1)
    assert row.verdict == "holds" and row.error < 1


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(2.5, 2.5, "holds"), (0.1, 2.4, "conservative"), (6.0, 2.0, "too narrow"), (1.2, 1.2, "conservative")],
)
def test_the_verdict(low, high, verdict):
    row = Covered(CELL, "logit_delong", 5000, low, high, 0.0, 0.1)
    assert row.verdict == verdict and verdicts([row])["logit_delong"][verdict] == 1
    assert coverage_table([row]).splitlines()[-1].endswith(f"| {verdict} |")


def test_the_same_seed_gives_the_same_table_and_all_cells_are_listed():
    once, again = (cover_auroc(CELL, ["logit_delong"], 20, 0, 3) for _ in range(2))
    assert once == again and len(auroc_cells()) == 240 and len(proportion_cells()) == 80
    assert set(VERDICTS) >= {row.verdict for row in once}
