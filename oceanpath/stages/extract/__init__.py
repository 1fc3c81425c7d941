"""Stage `extract`: slides → patch features, one slide at a time.

Reads:  slides of all formats of OpenSlide: those of `demo`, or the folder `data.slides`, including its subfolders.
        DICOM files of one series in one folder are one slide, named after the folder.
Writes: `<slide_id>.h5` (see `oceanpath.artifacts.features.files`), `thumbnails/<slide_id>.jpg`, at most 768 px, and
        `masks/<slide_id>.jpg`, the same with contour, ink and patches. A blank slide has a file without patches.
Fails:  a slide cannot be opened or decoded, has no plausible mpp, has a lower resolution than the target or is smaller
        than a patch; two slides have the same id; there are no slides. The error names the file and the key to change.
"""
