"""Stage `mmap`: feature files → the store.

Reads   the features that `extract` published, or the folder `data.features`; only those in the manifest
        of `curate` or `mmap.manifest`, if there is one
Writes  features_*.bin, coords_*.bin, index_arrays.npz, source_arrays.npz (see `oceanpath.artifacts.store.reader`);
        local/places.npz if features are referenced
Fails   if a file is damaged, empty, not finite or of another feature dimension; all such files are listed at once
"""
