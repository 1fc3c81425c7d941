"""Evidence that pretraining helps, or does not: tables of docs/evidence.md.

usage: python -m tests.evidence WORKSPACE PANCANCER LUNG [TABLE ...]    all tables without a name
PANCANCER and LUNG: folders with features/ and cohort.csv. Tables, each a CSV file of WORKSPACE:
choice   pairs of OncoTree codes that chose the recipe
fixed    the comparisons on lung that were fixed beforehand, at 10 % of labels
lung     all probes on lung, for all numbers of labelled patients
trained  models that are trained from random and from pretrained weights, on lung at 10 % of labels
pairs    pairs of OncoTree codes of held patients
classes  all frequent OncoTree codes and organs of held patients
Weights and predictions that are in WORKSPACE are not computed again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from .cohorts import write_tables
from .fixed import fixed_comparisons
from .lung import BUDGETS, FIXED, Lung, compare
from .pancancer import choice, compare_study, held_classes, held_pairs
from .weights import Inputs

SCRATCH = 20
"""Draws of labelled patients of the models that start from random weights."""
FINE_TUNED = (("supervised, pan-cancer", 5), ("simclr, folds", 5))
"""Models that start from pretrained weights, and their number of draws."""
STUDIES = {"choice": choice, "pairs": held_pairs, "classes": held_classes}
TABLES = ("choice", "fixed", "lung", "trained", "pairs", "classes")


def main() -> None:
    if len(sys.argv) < 4 or set(sys.argv[4:]) - set(TABLES):
        sys.exit(__doc__)
    workspace, pancancer, lung_folder = (Path(text) for text in sys.argv[1:4])
    tables = workspace / "pancancer"
    write_tables(pancancer / "cohort.csv", tables)
    if not (tables / "features").exists():
        (tables / "features").symlink_to((pancancer / "features").resolve())
    inputs = Inputs(workspace, tables, lung_folder)
    for name in sys.argv[4:] or TABLES:
        for table in _versions(name, inputs):
            table.to_csv(workspace / f"{name}.csv", index=False)
        print(name, table.round(3).to_string(index=False), sep="\n", flush=True)


def _versions(name: str, inputs: Inputs) -> Iterator[pd.DataFrame]:
    """A table, as often as it has new rows."""
    if name in STUDIES:
        yield compare_study(inputs, STUDIES[name](inputs))
        return
    lung = Lung.of(inputs)
    if name == "trained":
        trained = {"scratch": lung.trained("scratch", FIXED, SCRATCH)}
        trained |= {f"from {name}": lung.trained(name, FIXED, draws) for name, draws in FINE_TUNED}
        yield compare({"mean": lung.mean()}, lung, FIXED, trained)
        return
    arms, rows = lung.frozen(), list[pd.DataFrame]()
    if name == "fixed":
        yield fixed_comparisons(arms, lung, lung.trained("scratch", FIXED, SCRATCH))
        return
    for budget in BUDGETS:
        rows.append(compare(arms, lung, budget, {}))
        yield pd.concat(rows)


if __name__ == "__main__":
    main()
