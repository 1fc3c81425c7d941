"""Contract checks of aggregators, for all registered ones (tests) and for a user's own (`oceanpath models verify`).

`contract` checks numbers, `exports` files, `concepts` learning; `trial` runs all of them and returns rows of a table.
"""
