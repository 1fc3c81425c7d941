"""`oceanpath ledger`: show, list, compare, verify and prune recorded runs."""
