"""Room `mmap`: feature files → the store.

Reads   the features that `extract` published, or the folder `data.features`; of them those that `curate` or the table
        `mmap.manifest` names, where there is one
Writes  features_*.bin, coords_*.bin, index_arrays.npz, source_arrays.npz (see `oceanpath.artifacts.store.reader`);
        where features are referenced, local/places.npz
Fails   when a file is damaged, empty, not finite or of another feature length; all such files are listed at once
"""
