"""Nuclei cross the edges of a periodic canvas."""

from __future__ import annotations

import numpy as np

from oceanpath.slides.demo.nuclei import Kind, jittered, scatter


def test_nuclei_cross_the_edges() -> None:
    kind = Kind(9, 7, 0.8)
    rng = np.random.default_rng(0)
    canvas = scatter(128, [(0, 0, 0.0)], rng, kind, bank=1)
    assert all(canvas[corner] > 0.4 for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)))
    assert canvas[64, 64] < 0.01
    spots = jittered(rng, 200, 20, 0.0)
    assert len(np.unique(spots, axis=0)) == len(spots) and 100 < len(spots) < 140
