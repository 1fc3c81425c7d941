"""Benchmarks as ratios: all alternatives run alternately in one process, on generated data."""
