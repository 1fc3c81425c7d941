"""Rendered H&E slides with known tumour regions: texture → canvas → pyramid, and their cohort."""
