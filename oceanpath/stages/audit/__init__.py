"""Checks the cohort and its folds for leaks and shortcuts.

Reads: the store, the folds and, if given, the label table and the slides of the pretraining. Writes: audit.json.
Fails: a column of `audit.columns` is missing. Findings do not fail the stage; `audit.gate` lists those with which the
command ends with exit code 6.
"""
