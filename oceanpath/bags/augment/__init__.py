"""Views of bags for pretraining: patches are selected first, then only the selected ones are perturbed.

One file per augmentation, one line each in `settings`. Random numbers depend on (seed, epoch, slide, view) alone.
"""
