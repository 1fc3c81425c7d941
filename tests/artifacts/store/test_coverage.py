"""The patches that a store kept are found again, place by place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.store.coverage import Coverage, kept_rows
from oceanpath.errors import ArtifactError

PLACES = st.lists(st.tuples(st.integers(-3, 6), st.integers(-3, 6)), min_size=1, max_size=80)


@given(PLACES, st.data())
@settings(deadline=None, max_examples=100)
def test_kept_rows_are_as_many_at_each_place_as_are_stored(places, data) -> None:
    coords = np.array(places, np.int32) * 100_000_000
    chosen = data.draw(st.lists(st.sampled_from(range(len(coords))), unique=True, min_size=1))
    stored = coords[sorted(chosen)]
    kept = kept_rows(coords, stored, Path("a.h5"))
    assert sorted(map(tuple, coords[kept].tolist())) == sorted(map(tuple, stored.tolist()))


def test_a_place_that_the_file_has_not_is_refused() -> None:
    coords = np.array([[0, 0], [1, 0]], np.int32)
    for stored in ([[0, 1]], [[0, 0], [0, 0]], [[0, 0], [9, 9]]):
        with pytest.raises(ArtifactError, match="coordinates that are not in the file"):
            kept_rows(coords, np.array(stored, np.int32), Path("a.h5"))


def test_the_row_of_a_slide_counts_patches_and_cells() -> None:
    coords = np.stack(np.meshgrid(np.arange(64), np.arange(64)), -1).reshape(-1, 2).astype(np.int32)
    kept = coords[:, 0] < 16
    row = Coverage("s", coords, kept).row()
    assert (row["n_total"], row["n_kept"]) == (4096, 1024)
    assert (row["n_discarded"], row["coverage_pct"], row["was_capped"]) == (3072, "25.0000", 1)
    assert (row["cells"], row["cells_kept"]) == (1024, 256)
