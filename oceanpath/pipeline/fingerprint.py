"""Fingerprints: digests of everything that determines a result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from functools import cache
from typing import Any

from oceanpath.errors import MissingExtraError

NUMERIC_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
PACKAGES = (*NUMERIC_LIBRARIES, "oceanpath", "pandas", "pyarrow", "h5py", "onnx", "onnxruntime")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; floats by repr. NaN and infinities raise ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(identity: Any) -> str:
    """32 hex characters of blake2b over the canonical JSON of `identity`."""
    return hashlib.blake2b(canonical(identity).encode(), digest_size=16).hexdigest()


@cache
def numeric_libraries() -> dict[str, str]:
    """Major version of each library that computes published numbers."""
    return {name: installed_version(name).split(".")[0] for name in NUMERIC_LIBRARIES}


def software() -> dict[str, str]:
    """Versions of Python and of the packages that compute results."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: installed_version(name) for name in PACKAGES}}


@cache
def installed_version(name: str) -> str:
    """Version of an installed package, from the name of its metadata folder: parsing the metadata itself is slow.

    Raises: MissingExtraError: it is not installed.
    """
    prefix = name.replace("-", "_").lower() + "-"
    for folder in filter(os.path.isdir, sys.path):
        for entry in _entries(folder):
            if entry.lower().startswith(prefix) and entry.endswith(".dist-info"):
                return entry[len(prefix) :].removesuffix(".dist-info")
    from importlib import metadata  # an unusual installation

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        do = "`oceanpath doctor` lists all missing packages, and how to install them."
        raise MissingExtraError("a required package is not installed", got=f"no {name}", do=do) from error


def metadata_folders() -> list[str]:
    """Names of the metadata folders of all installed packages, sorted; they contain the versions."""
    names = (entry for folder in filter(os.path.isdir, sys.path) for entry in _entries(folder))
    return sorted(name for name in names if name.endswith((".dist-info", ".egg-info", ".egg-link")))


@cache
def _entries(folder: str) -> list[str]:
    return [entry.name for entry in os.scandir(folder)]
