"""A small cohort of rendered slides, so that everything can be tried without data.

Reads:  nothing.
Writes: `slides/<slide_id>.svs` (Aperio-style pyramids, JPEG tiles, 0.5 or 0.25 µm a pixel), `cohort.csv` (slide_id,
        patient_id, label, site, age, sex) and `truth.json` (what was planted where; no stage reads it).
Fails:  the disk is full; a written slide does not open with the resolution it should have.
"""
