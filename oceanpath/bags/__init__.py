"""From the store to batches: a bag is the patches of one slide, a batch is several concatenated bags, never padded."""
