"""Stage `eval`: the pooled test rows of all folds → metrics with intervals, baselines and figures.

Reads   train (predictions, facts of the checkpoints), split (test slides of each fold), mmap (bags, for the baselines)
Writes  metrics.json (see `oceanpath.artifacts.metrics`), the figures of the task (for classification roc, pr,
        calibration, confusion, probabilities) and learning (losses by epoch), each as .png, .pdf and .svg
Fails   if a row is not a test row, if a slide or patient of a fold's test rows was also used to select its epoch or
        threshold (unless the scheme is `selected`; then every number is marked), or if rows and folds do not match
"""
