"""Experiment → plan → run → ledger; independent of torch, of pathology and of any stage by name."""
