"""Digests of files are those of their bytes, and no other module reads a file for one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import xxhash

from oceanpath.file_digests import sha256_of_file, xxh3_of_file

PACKAGE = Path(__file__).resolve().parent.parent / "oceanpath"


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (1 << 20) + 7])
def test_a_digest_is_that_of_all_bytes(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    (tmp_path / "file").write_bytes(content)
    assert xxh3_of_file(tmp_path / "file") == xxhash.xxh3_128_hexdigest(content)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_no_other_module_reads_a_file_block_by_block_for_a_digest() -> None:
    loop = re.compile(r"while \w+ := \w+\.read\(\w+\):\n\s+\w+\.update\(\w+\)")
    assert [path.name for path in PACKAGE.rglob("*.py") if loop.search(path.read_text())] == []
