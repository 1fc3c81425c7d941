"""What every aggregator promises, as functions: tests hold the registry to them, and a user a model of their own.

`laws` about numbers, `exports` about files, `concepts` about what is learnt, `trial` all of them as a table.
"""
