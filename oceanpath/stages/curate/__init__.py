"""Stage `curate`: feature files → the manifest of slides for pretraining. Shapes are read, features never.

Reads   the features that `extract` published, or the folder `data.features`
Writes  pretrain_manifest.csv, pretrain_manifest_stats.txt (see `oceanpath.artifacts.pretrain_manifest`)
Fails   when no slide is kept, two files have one slide id, or there are no feature files; files that cannot be read
        are listed and left out
"""
