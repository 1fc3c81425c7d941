"""Rendered H&E slides with known tumour places: texture → canvas → pyramid, and the cohort they belong to."""
