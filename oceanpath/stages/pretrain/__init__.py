"""Pretrain an aggregator without the labels of a task.

Reads: the store (`mmap`, or `pretrain_mmap` of another cohort); patients from a label table, the table that `demo`
wrote, or the ids of slides; with `rows = "fold_train"` the folds (`split`); the folds of experiments to exclude.
Writes: aggregator.safetensors (see `oceanpath.artifacts.pretrained`), best.ckpt, last.ckpt, monitors.csv, curves.png,
pretrain.json, split_manifest.json; with `rows = "fold_train"` once per fold, in fold_<k>/.
An interrupted training is resumed from last.ckpt, with the same result to the last bit.
Fails when: a slide has no patient, there are too few slides to validate, training diverges, or embeddings collapse.
"""
