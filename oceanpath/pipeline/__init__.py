"""Experiment → plan → run → ledger. Knows no torch, no pathology and no stage by name."""
