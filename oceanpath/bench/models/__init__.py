"""Aggregators under equal work: `ways` against each other on one batch, and their `growth` with the bag.

`device` measures: CPU time and peak memory of this process, or time and memory of a GPU. Nothing here decides anything.
"""
