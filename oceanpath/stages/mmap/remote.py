"""A store in object storage: its index and coordinates are copied, its features stay there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.artifacts import left_out
from oceanpath.artifacts.object_storage import ObjectFolder, StoredObject
from oceanpath.artifacts.store import blank_slides
from oceanpath.artifacts.store.index import INDEX, Index
from oceanpath.artifacts.store.reader import chunk_name
from oceanpath.artifacts.store.remote import write_remote
from oceanpath.artifacts.store.source_files import SOURCES
from oceanpath.errors import ArtifactError, ExperimentError, shorten_list
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.mmap.settings import MmapSettings

OPTIONAL = (blank_slides.NAME, left_out.NAME)


def copy_index(settings: MmapSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write everything but the features of the store at `data.store` below `out`.

    Raises:
        ExperimentError: slides are extracted or selected too, or there are no credentials.
        ArtifactError: there is no store at this address, or it is not complete.
        MissingExtraError: obstore is not installed.
        StageError: access is denied, or the storage does not answer.
    """
    check_other_sources(settings, [name for name in ("extract", "curate") if inputs.get(name) is not None])
    source = ObjectFolder(settings.store)
    files = source.files()
    _refuse_missing(source, files, [INDEX, SOURCES])
    source.download(INDEX, out / INDEX)
    index = Index.load(out)
    if (index.feature_offsets < 0).any():
        do = 'Build it with mmap.mode = "copy", and upload it.'
        raise ArtifactError("the store reads features in their own files", where=source.address, do=do)
    chunks = np.unique(index.chunk_ids).tolist()
    features, coords = ([chunk_name(kind, chunk) for chunk in chunks] for kind in ("features", "coords"))
    copied = [SOURCES, *(coords if index.has_coords else ()), *(name for name in OPTIONAL if name in files)]
    _refuse_missing(source, files, [*features, *copied])
    progress.start(len(copied), "files")
    for name in copied:
        source.download(name, out / name)
        progress.advance()
    write_remote(out, source.address, {name: files[name] for name in features})
    slides, patches = len(index.slide_ids), int(index.lengths.sum())
    lines = (
        f"{slides} slides, {patches} patches with {index.feature_dim} features in object storage",
        f"{sum(files[name].size for name in features) / 1e9:.1f} GB of features are fetched at first use",
    )
    return Summary(lines, {"slides": slides, "patches": patches})


def check_other_sources(settings: MmapSettings, parents: list[str]) -> None:
    """Raise ExperimentError if slides are selected or extracted by the experiment too."""
    others = [f"[{name}]" for name in parents] + (["mmap.manifest"] if settings.manifest is not None else [])
    if others:
        do = "Remove it: a store contains its slides; select them in the label table."
        raise ExperimentError("data.store cannot be combined with this", where="[data] store", got=others[0], do=do)


def _refuse_missing(source: ObjectFolder, files: dict[str, StoredObject], needed: list[str]) -> None:
    """Raise ArtifactError if the folder is not a complete store."""
    if missing := [name for name in needed if name not in files]:
        what = "there is no store at this address" if INDEX in missing else "the store is not complete"
        got = f"{len(missing)} missing files: {shorten_list(missing)}"
        raise ArtifactError(what, where=source.address, got=got, do="Check the address, and upload the whole folder.")
