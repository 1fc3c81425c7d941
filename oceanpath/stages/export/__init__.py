"""Export: the models of all folds as one ensemble that runs without OceanPath's training code.

Reads   train (checkpoints, inner-validation rows, cohort), mmap (feature contract, bag sizes), eval (the numbers),
        extract where there is one (patch size and resolution)
Writes  a bundle: model.onnx, model.ts, bundle.json, MODEL_CARD.md (see `oceanpath.artifacts.bundle`)
Fails   when a checkpoint does not fit the store, or an exported file differs from eager torch by more than the
        tolerance at any of the asked sizes: then nothing is published
"""
