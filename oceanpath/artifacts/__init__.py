"""Formats of published files, one module per format, described in its docstring: write, read, check; no torch."""
