"""On a file system that refuses hard links everything runs, from copies, and gives the same."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ..breaking import used
from ..conftest import Cohort

TRAINING = '[model]\nname = "static"\n[train]\nepochs = 1\n'


def run(folder: Path) -> dict[str, str]:
    """Digests of what an experiment uses after its store has grown and its folds were gathered."""
    folder.mkdir()
    cohort = Cohort(folder)
    assert cohort.run() == 0
    cohort.put("slide_16", np.ones((20, 8), np.float16))
    cohort.toml += TRAINING
    cohort.write_table(rows=[*cohort.rows, "slide_16,p8,R"])
    assert cohort.run() == 0
    return used(folder)


def test_without_hard_links_the_results_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run(tmp_path / "links")
    assert set(wanted) == {"mmap", "split", "train"}

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    assert run(tmp_path / "copies") == wanted
    files = [path for path in (tmp_path / "copies" / "out").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in files} == {1}
    shutil.rmtree(tmp_path / "copies")
