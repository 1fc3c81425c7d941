"""Stage `train`: one model per fold.

Reads: the store (`mmap`) and the folds (`split`).
Writes: predictions (`oceanpath.artifacts.predictions`): each fold's checkpoint, val and test rows, embeddings, history.
Each fold is a part, published and resumed separately. The model is trained on the train rows; only the val rows select
the epoch and the threshold; the test rows are predicted once, with the selected weights.
Fails: a role has no rows in a fold, a class has no training rows, a slide is not in the store, or training diverges.
"""
