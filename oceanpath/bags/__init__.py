"""From the store to batches: a bag is one slide's patches, a batch is several bags end to end, never padded."""
