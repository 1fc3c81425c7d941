"""Whole-slide images: reading, tissue, patch grid, patch encoders, and the renderer of the demo cohort."""
