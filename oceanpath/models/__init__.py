"""Aggregators: a bag of patch features in, one slide embedding out; their registry; the classifier on top.

A new architecture is one file (a `BaseMIL`), one settings class in `settings.py` and one line in `registry.py`.
`settings` and `registry` load no torch.
"""
