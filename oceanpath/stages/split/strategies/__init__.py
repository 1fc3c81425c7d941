"""Strategies that choose test patients: one file per strategy, one line in `registry`."""
