"""Checks of a cohort and its folds for leaks and shortcuts: one file per kind of check, each returns findings."""
