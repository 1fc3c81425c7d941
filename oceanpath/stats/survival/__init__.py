"""Metrics of survival: one row per patient, with a time, whether the event was seen, and a risk or a survival curve.

Times are positive and in any one unit. A time without an event is censored there; an event and a censoring at the same
time count as event first. The censoring model of inverse probability weights comes from training rows, never from the
rows that are judged. Nothing here reads competing risks: a death of another cause is censored.
"""
