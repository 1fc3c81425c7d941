"""Bags that are read in place from their feature files, and the data that the store records of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from oceanpath.artifacts.features.files import FeatureFile
from oceanpath.artifacts.features.layouts import without_count
from oceanpath.artifacts.store.source_files import SourceFile, Stamp, file_digest, write_source_stamps
from oceanpath.errors import ArtifactError
from oceanpath.stages.mmap.feature_folder import FeatureFolder
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.threads import in_threads


def why_copied(file: FeatureFile, settings: MmapSettings) -> str:
    """Why the features of a file cannot be read in place; "" if they can.

    Raises: ArtifactError: the file is too short.
    """
    runs = file.places.get(file.features_key)
    stored = file.stored[file.features_key][1]
    if runs is None:
        return "features are not uncompressed HDF5 data (compressed, .pt or .npy)"
    if stored != settings.dtype:
        return f"features are {stored}, but the store is {settings.dtype}"
    if settings.max_instances is not None and file.n > settings.max_instances:
        return "capped"
    size = file.n * file.dim * np.dtype(stored).itemsize
    if runs.nbytes != size or (runs.offsets + runs.sizes).max() > file.stamp[0]:
        raise ArtifactError("the file ends before its features", where=file.path, do="Copy or extract it again.")
    return ""


def with_digests(folder: FeatureFolder, files: Iterable[FeatureFile], workers: int) -> FeatureFolder:
    """The same folder with the missing digests of `files`, which are computed."""
    unknown = [file.path for file in files if folder.name(file.path) not in folder.digests]
    digests = in_threads(file_digest, unknown, workers)
    return replace(folder, digests={**folder.digests, **dict(zip(map(folder.name, unknown), digests, strict=True))})


def source_file_of(file: FeatureFile, referenced: bool, folder: FeatureFolder) -> SourceFile:
    """The source file of a bag; if it is `referenced`, also the location of its features."""
    name, runs = folder.name(file.path), file.places[file.features_key] if referenced else None
    return SourceFile(name, folder.digests.get(name, ""), without_count(file.layout), runs)


def write_source_locations(out: Path, folder: FeatureFolder, stamps: Sequence[Stamp]) -> None:
    """Write the location of the referenced files on this machine: relative if published, otherwise absolute."""
    root = os.path.relpath(folder.root, out) if folder.published else str(folder.root.resolve())
    write_source_stamps(out, root, stamps)
