"""Contract checks of aggregators, for all registered ones (tests) and for a user's own (`oceanpath models verify`).

`contract` checks numerical results, `exports` exported files, `concepts` learning; `trial` runs all of them.
"""
