"""Pictures: arrays in, PNG out. No statistics inside, no interactive state, the same bytes for the same arrays.

Reads arrays and, for heat maps, one thumbnail. Writes one PNG a call. Fails when a thumbnail cannot be read
(ArtifactError) or arrays disagree (StageError).
"""
