"""Benchmarks as ratios: all alternatives run in turn in one process, on generated data."""
