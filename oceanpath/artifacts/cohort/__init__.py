"""Tables of a cohort: reading them, matching ids, and every problem of a table at once."""
