"""Speed and memory of aggregators under equal work: variants of a training step, and growth with the bag size."""
