"""Stage `external`: an external test cohort, scored by every trained model and by their ensemble; one step per cohort.

Reads   train (the models of all folds, and their thresholds), mmap and split of the cohort (its bags and its labels),
        training.mmap and training.split (bags and labels for the baselines; patients and slides, which must differ)
Writes  metrics.json and the predictions (see `oceanpath.artifacts.external`), and the figures of the task
Fails   if a patient, or the features of a slide, are also in the training cohort, or if the features are of another
        length or encoder
"""
