"""Tables of a cohort: reading, matching ids, and reporting all problems of a table at once."""
