import numpy as np

from oceanpath.bench.refitted import ESTIMATES, PATIENTS, cover_refitted


def test_models_at_hand_are_covered_and_all_designs_are_listed():
    rows = cover_refitted(150, 1)
    assert len(rows) == len(PATIENTS) * 3 * len(ESTIMATES) * 2
    these = [row.coverage for row in rows if row.method == "pooled: these models"]
    assert np.mean(these) > 90 and all(row.missing == 0 for row in rows)
    truths = [row.cell.target for row in rows if row.cell.patients == 60]
    assert min(truths) > 0.55 and max(truths) < 0.97  # below that of the best score, which has no training error
