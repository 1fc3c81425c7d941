"""The store: all bags of a cohort in a few memory-mapped files."""
