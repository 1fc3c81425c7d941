"""Batching: which bags form a batch. One file per strategy, one line each in `registry`. No torch, no numpy."""
