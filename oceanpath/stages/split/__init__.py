"""Stage `split`: the label table and the store → folds.

Reads   the store's slide ids; the table `data.labels` (or the one `demo` wrote)
Writes  fold_<k>.parquet, splits.json (see `oceanpath.artifacts.folds`)
Fails   when a column is missing, an id appears twice, slides and rows do not match, a label is no class, or a class has
        too few patients for the folds
"""
