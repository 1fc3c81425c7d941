"""Confidence intervals: one method per file, and `registry` with the methods that the coverage simulation compares.

A method returns (low, high), or the reason why there is no interval.
"""
