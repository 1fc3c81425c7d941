"""What every stage that fits a model shares: seeds, optimiser, trainer, losses, checkpoints, prediction."""
