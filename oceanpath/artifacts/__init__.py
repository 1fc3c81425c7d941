"""Formats of published files, one module per format: its content in the docstring; write, read, check. No torch."""
