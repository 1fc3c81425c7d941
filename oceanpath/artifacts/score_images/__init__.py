"""Scores of patches as images with physical pixel sizes, for viewers of slides.

    <slide_id>.ome.tiff   OME-TIFF: axes C, Y, X; lower levels in SubIFDs
    <slide_id>.ome.zarr   OME-Zarr 0.5 (zarr 3): axes c, y, x; one array per level
    <slide_id>.dcm        DICOM Parametric Map: one frame per score, the highest level only

Channels are scores by name, as float32. A pixel is a square of d level-0 pixels, and the first one begins at the corner
of level 0; d is the largest power of two for which a patch is at least eight pixels wide and high. A pixel has the
score of the patch that contains its centre, the mean of them where patches overlap, and NaN where there is none. Each
lower level has the means of 2 x 2 pixels, of those that have a score.

A DICOM map of a DICOM slide has its patient, study, frame of reference and origin. Otherwise it has a study of its own.
"""
