"""A read-only web view of the run ledger."""
