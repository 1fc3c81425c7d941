"""Digests that a seal tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oceanpath.artifacts.gather import sealed_digests
from oceanpath.errors import ArtifactError


def test_what_the_seal_says(tmp_path: Path) -> None:
    assert sealed_digests(tmp_path) == {}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"a/b": {"size": 3, "digest": "x"}}}))
    assert sealed_digests(tmp_path) == {"a/b": "x"}
    (tmp_path / "manifest.json").write_text('{"files": {"a": 3}}')
    with pytest.raises(ArtifactError, match="seal"):
        sealed_digests(tmp_path)
