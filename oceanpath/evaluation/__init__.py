"""The evaluation of test predictions: metrics with intervals at slide and patient level, decisions and figures.

`eval` evaluates the out-of-fold predictions of the cohort with it, `external` those of an external cohort.
"""
