"""Write the reference numbers of the present code."""

from __future__ import annotations

import importlib

from tests.reference import write

GROUPS = {
    "stats": "tests.stats.test_reference_numbers",
    "intervals": "tests.stats.intervals.test_reference_intervals",
    "survival": "tests.stats.survival.test_reference_survival",
    "folds": "tests.stages.split.test_same_folds",
    "views": "tests.bags.augment.test_same_views",
    "batches": "tests.bags.batching.test_same_batches",
}

for name, module in GROUPS.items():
    write(name, importlib.import_module(module).numbers())
