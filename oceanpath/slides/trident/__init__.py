"""TRIDENT (Zhang et al. 2025, arXiv:2502.06750), driven in an interpreter of its own and never imported here.

driver        runs over there: the standard library and TRIDENT, nothing of ours
interpreter   where that interpreter is, and words for what is missing
session       one driver process: a request a line, a reply a line, stopped with all its children
"""
