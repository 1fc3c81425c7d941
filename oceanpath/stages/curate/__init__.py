"""Stage `curate`: feature files → the manifest of slides for pretraining. Only the shapes of features are read.

Reads   the features that `extract` published, or the folder `data.features`
Writes  pretrain_manifest.csv, pretrain_manifest_stats.txt (see `oceanpath.artifacts.pretrain_manifest`)
Fails   if no slide is kept, two files have the same slide id, or there are no feature files; files that cannot be
        read are listed and left out
"""
