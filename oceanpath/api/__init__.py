"""The Python interface: the functions and classes of ``import oceanpath as op``, which mirror the commands.

Nothing is printed, errors are those of `oceanpath.errors`, and results are shown as tables in notebooks.
"""
