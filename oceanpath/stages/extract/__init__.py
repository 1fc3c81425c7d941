"""Slides → patch features, one slide at a time.

Reads:  slides of any format that OpenSlide opens: those of `demo`, or the folder `data.slides`, searched recursively.
Writes: `<slide_id>.h5` (see `oceanpath.artifacts.features`) and `thumbnails/<slide_id>.jpg`, at most 768 px.
Fails:  a slide cannot be opened or decoded, tells no plausible mpp, is coarser than the target, is smaller than a
        patch or has no tissue; two slides have one id; there are no slides. The message names the file and the key
        that mends it.
"""
