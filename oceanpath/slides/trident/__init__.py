"""TRIDENT (Zhang et al. 2025, arXiv:2502.06750), run in its own interpreter and never imported by OceanPath.

driver        runs in that interpreter, with the standard library and TRIDENT only
interpreter   the path of that interpreter, and errors if it or TRIDENT is missing
session       one driver process, through `oceanpath.subprocess_worker`
grid          the patch grid of TRIDENT
"""
