"""Slides that are left out are written down with their reasons."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.artifacts.left_out import NAME, LeftOut, read_left_out, without_coords_text, write_left_out
from oceanpath.errors import ArtifactError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_left_out(tmp_path, LeftOut())
    assert not list(tmp_path.iterdir()) and read_left_out(tmp_path) == LeftOut()
    found = LeftOut(("b", "a"), {"é": "no mpp", "c": "cut off"})
    write_left_out(tmp_path, found)
    assert read_left_out(tmp_path) == LeftOut(("a", "b"), found.failed)
    assert found.without(frozenset({"a", "c"})) == LeftOut(("b",), {"é": "no mpp"})


def test_reasons_do_not_say_where_a_cohort_lies() -> None:
    reason = "/a b/c/site/S1.h5: gone; got /far/away/S1.h5. See https://x.org/a/b or km/h"
    assert without_coords_text(reason, Path("/a b/c")) == "site/S1.h5: gone; got S1.h5. See https://x.org/a/b or km/h"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"failed": 1, "excluded": []}', '{"failed": {}}'])
def test_damage_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ArtifactError, match=NAME):
        read_left_out(tmp_path)
