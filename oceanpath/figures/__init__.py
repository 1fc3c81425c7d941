"""Figures: PNG, PDF and SVG of arrays. No statistics, no interactive state, deterministic bytes.

Reads arrays and, for heat maps, one thumbnail. Writes three files per call, or only a PNG if there are thousands.
Fails if the shapes of arrays are inconsistent (StageError).
"""
