"""Export: the models of all folds as one ensemble that runs without OceanPath's training code.

Reads   train (checkpoints, validation and test predictions, cohort), mmap (bags, feature contract), eval (the numbers),
        extract where there is one (how the features were made)
Writes  a bundle: model.onnx, model.ts, bundle.json, training_slides.json, MODEL_CARD.md (see
        `oceanpath.artifacts.bundle.folder`)
Fails   when a checkpoint does not fit the store, or an exported file differs by more than the tolerance from eager
        torch at any of the asked sizes or from a stored test prediction: then nothing is published
"""
