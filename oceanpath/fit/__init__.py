"""Shared by all stages that train a model: seeds, optimiser, trainer, objectives, checkpoints, prediction."""
