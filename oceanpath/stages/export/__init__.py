"""Stage `export`: the models of all folds as one ensemble that runs without OceanPath's training code.

Reads   train (checkpoints, validation and test predictions, cohort), mmap (bags, feature contract), eval (the metrics),
        extract if there is one (how the features were extracted)
Writes  a bundle: model.onnx, model.ts, bundle.json, training_slides.json, MODEL_CARD.md (see
        `oceanpath.artifacts.bundle.folder`)
Fails   if a checkpoint does not fit the store, or if an exported file differs by more than the tolerance from eager
        torch at any of the requested sizes or from a stored test prediction; nothing is published then
"""
