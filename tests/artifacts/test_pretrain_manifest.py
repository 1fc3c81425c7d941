"""What is written is read back; what is damaged is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.artifacts.pretrain_manifest import MANIFEST, STATS, ManifestRow, check, read_manifest, write_manifest
from oceanpath.errors import ArtifactError

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@given(
    st.lists(
        st.builds(ManifestRow, WORDS, WORDS, WORDS, st.integers(1, 10**9)), min_size=1, unique_by=lambda row: row[0]
    )
)
def test_rows_come_back_sorted(tmp_path_factory: pytest.TempPathFactory, rows: list[ManifestRow]) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    write_manifest(folder, rows)
    assert read_manifest(folder / MANIFEST) == sorted(rows)


HEAD = "slide_id,slide_path,cancer_type,num_patches\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a pretraining manifest"),
        ("slide_id,n\na,1\n", "not a pretraining manifest"),
        (HEAD, "no rows"),
        (HEAD + "a,a.h5,LUAD,0\n", ":2: a row"),
        (HEAD + "a,a.h5,LUAD\n", ":2: a row"),
        (HEAD + "a,a.h5,LUAD,5,6\n", ":2: a row"),
        (HEAD + "a,a.h5,LUAD,5\n,b.h5,LUAD,5\n", ":3: a row"),
        (HEAD + "a,a.h5,LUAD,5\na,b.h5,LUAD,5\n", "twice"),
    ],
)
def test_damage_is_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=words):
        read_manifest(tmp_path / MANIFEST)


def test_both_files_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        check(tmp_path)
    write_manifest(tmp_path, [ManifestRow("a", "a.h5", "LUAD", 1)])
    with pytest.raises(ArtifactError, match="statistics"):
        check(tmp_path)
    (tmp_path / STATS).write_text("")
    check(tmp_path)
