"""A bundle with one byte changed, a byte appended or a file missing is refused; `nox -s bundles` tries more bytes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.bundle.folder import FACTS, read_bundle
from oceanpath.errors import ArtifactError

TRIES = int(os.environ.get("OCEANPATH_BYTES", "60"))
"""Changed bytes over all files."""


@pytest.fixture(scope="module")
def copied(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(bundle_path, tmp_path_factory.mktemp("changed") / "bundle"))


def test_a_changed_byte_is_refused(copied):
    read_bundle(copied)
    names, rng = sorted(path.name for path in copied.iterdir()), np.random.default_rng(0)
    assert FACTS in names
    for number in range(TRIES):
        file = copied / names[number % len(names)]
        content = file.read_bytes()
        position, flip = int(rng.integers(len(content))), int(rng.integers(1, 256))
        changed = bytearray(content)
        changed[position] ^= flip
        file.write_bytes(changed)
        with pytest.raises(ArtifactError):
            read_bundle(copied)
        file.write_bytes(content)
    read_bundle(copied)


def test_an_appended_byte_and_a_missing_file_are_refused(copied):
    for file in sorted(copied.iterdir()):
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        with pytest.raises(ArtifactError):
            read_bundle(copied)
        file.unlink()
        with pytest.raises(ArtifactError):
            read_bundle(copied)
        file.write_bytes(content)


def test_the_seal_covers_every_listed_file(copied):
    facts = read_bundle(copied).facts
    assert {FACTS, *facts.files} == {path.name for path in copied.iterdir()}
