"""What a store says of the files its bags came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.artifacts.store.source_files import SourceFile, SourceFiles, file_digest
from oceanpath.errors import ArtifactError
from oceanpath.hdf5.byte_runs import Runs

PLACES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**4)), min_size=1, max_size=5, unique=True)
NAMES = st.text("abcö/._", min_size=1, max_size=9)
ORIGINS = st.lists(st.tuples(NAMES, st.sampled_from(["", "0" * 32]), st.sampled_from("xyz"), PLACES), max_size=6)


@given(ORIGINS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_what_is_written_of_each_slide_comes_back(tmp_path_factory, slides, adopted) -> None:
    origins = [
        SourceFile(name, digest, layout, Runs.of(*np.array(places, np.int64).T) if stays else None)
        for (name, digest, layout, places), stays in zip(slides, adopted, strict=False)
    ]
    out = tmp_path_factory.mktemp("sources")
    SourceFiles.of(origins, "recipe").save(out)
    found = SourceFiles.load(out)
    assert found.recipe == "recipe"
    assert found.adopted().tolist() == adopted[: len(origins)]
    for ours, theirs in zip(found.origins(np.arange(len(origins))), origins, strict=True):
        assert ours[:3] == theirs[:3]
        assert (ours.runs is None) == (theirs.runs is None)
        if ours.runs is not None and theirs.runs is not None:
            assert ours.runs.offsets.tolist() == theirs.runs.offsets.tolist()
            assert ours.runs.sizes.tolist() == theirs.runs.sizes.tolist()


def test_a_file_that_is_gone_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="gone"):
        file_digest(tmp_path / "gone")
