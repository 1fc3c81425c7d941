"""Blank slides are remembered by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.artifacts.store.blank_slides import NAME, read_blank, write_blank
from oceanpath.errors import ArtifactError


def test_names_come_back_sorted_and_no_file_means_none(tmp_path: Path) -> None:
    write_blank(tmp_path, [])
    assert not list(tmp_path.iterdir()) and read_blank(tmp_path) == []
    write_blank(tmp_path, ["ü 2", "a[1]"])
    assert read_blank(tmp_path) == ["a[1]", "ü 2"]


def test_a_list_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_blank(tmp_path)
