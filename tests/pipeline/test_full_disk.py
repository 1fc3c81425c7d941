"""A run with several processes on a disk that is full at whatever moment ends, and says why.

OCEANPATH_ROUNDS says how many sizes of a disk are tried; ``nox -s kills`` tries twenty.
"""

from __future__ import annotations

import os
import random
import shutil
import sys

import pytest

from .conftest import project, start

ROUNDS = int(os.environ.get("OCEANPATH_ROUNDS", "4"))
SMALLEST, LARGEST = 84, 150
"""KiB; with more nothing is refused."""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs to mount a small disk",
)
def test_it_ends_and_says_so(tmp_path) -> None:
    sizes, refused = random.Random(0).sample(range(SMALLEST, LARGEST), ROUNDS), 0
    for size in sizes:
        folder = project(tmp_path / str(size))
        (folder / "out").mkdir()
        mount = f"mount -t tmpfs -o size={size}k none '{folder / 'out'}' && exec \"$@\""
        process = start(folder, "count.letters=abcdef", jobs=2, inside=("unshare", "-m", "sh", "-c", mount, "sh"))
        _, error = process.communicate(timeout=100)
        refused += process.returncode != 0
        assert process.returncode == 0 or "full" in error or "No space left" in error, (size, error)
    print(f"{ROUNDS} sizes of a disk, {refused} too small: every run ended and said so")
    assert refused
