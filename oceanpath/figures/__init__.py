"""Figures: arrays in; PNG, PDF and SVG out. No statistics inside, no interactive state, the same bytes each time.

Reads arrays and, for heat maps, one thumbnail. Writes three files per call, or a PNG alone where there are thousands.
Fails when arrays disagree (StageError).
"""
