"""Evidence that pretraining helps, or does not: tables of docs/evidence.md.

usage: python -m tests.evidence WORKSPACE PANCANCER LUNG    two folders with features/ and cohort.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from .cohorts import write_tables
from .fixed import fixed_comparisons
from .lung import BUDGETS, FIXED, Lung, compare
from .pairs import choice, compare_pairs, held
from .weights import Inputs

TRAINED = (("scratch", 5), ("supervised, pan-cancer", 1))
"""Models that are trained at the budget of the fixed comparisons, and their number of draws."""


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    workspace, pancancer, lung_folder = (Path(text) for text in sys.argv[1:])
    tables = workspace / "pancancer"
    write_tables(pancancer / "cohort.csv", tables)
    if not (tables / "features").exists():
        (tables / "features").symlink_to((pancancer / "features").resolve())
    inputs = Inputs(workspace, tables, lung_folder)
    _write(compare_pairs(inputs, choice(inputs)), workspace / "choice.csv")
    lung = Lung.of(inputs)
    arms, rows = lung.frozen(), []
    for budget in BUDGETS:
        trained = {name: lung.trained(name, budget, draws) for name, draws in TRAINED} if budget == FIXED else {}
        rows.append(compare(arms, lung, budget, trained))
        _write(pd.concat(rows), workspace / "lung.csv")
    _write(
        fixed_comparisons(arms, lung, lung.trained("scratch", FIXED, dict(TRAINED)["scratch"])), workspace / "fixed.csv"
    )
    _write(compare_pairs(inputs, held(inputs)), workspace / "pairs.csv")


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)
    print(table.round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
