"""Digests of the bytes of a file, read block by block."""

from __future__ import annotations

import hashlib
from pathlib import Path

import xxhash


def xxh3_of_file(path: Path) -> str:
    """xxh3-128 hex digest, to recognise content. Raises: OSError: the file cannot be read."""
    with path.open("rb", buffering=0) as file:
        return str(hashlib.file_digest(file, xxhash.xxh3_128).hexdigest())


def sha256_of_file(path: Path) -> str:
    """sha256 hex digest, to compare with a published one. Raises: OSError: the file cannot be read."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
