"""The real opensdpc, whose libraries only load in a process that is started for them, refuses what is no slide."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from oceanpath.errors import ArtifactError
from oceanpath.slides.reader import open_slide

pytestmark = pytest.mark.skipif(importlib.util.find_spec("opensdpc") is None, reason="opensdpc is not installed")


def test_a_file_that_is_no_slide(tmp_path: Path) -> None:
    path = tmp_path / "a b é.sdpc"
    path.write_bytes(b"SQ" + bytes(5000))
    with pytest.raises(ArtifactError, match=r"é\.sdpc: opensdpc 1\.0\.0 cannot open this file.*NULL pointer"):
        open_slide(path)
