"""Room `eval`: the pooled test rows of all folds → numbers with intervals, floors and pictures.

Reads   train (predictions, checkpoints' facts), split (who was tested), mmap (bags, for the floors)
Writes  metrics.json (see `oceanpath.artifacts.metrics`), and the figures roc, pr, calibration, confusion,
        probabilities and learning (losses by epoch), each as .png, .pdf and .svg
Fails   when a row is no test row, when a slide or patient of a fold's test rows also chose its epoch or threshold
        (unless the scheme is `selected`, and says so at every number), or when rows and folds do not match
"""
