"""Stage `demo`: a small cohort of rendered slides, to try OceanPath without data.

Reads:  nothing.
Writes: `slides/<slide_id>.svs` (Aperio-style pyramids, JPEG tiles, 0.5 or 0.25 µm per pixel), `cohort.csv` (slide_id,
        patient_id, label, site, age, sex) and `truth.json` (the ground truth; no stage reads it).
Fails:  the disk is full; a written slide does not open with its resolution.
"""
