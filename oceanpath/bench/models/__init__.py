"""Speed and memory of aggregators on the same workload: variants of a training step, and growth with the bag size."""
