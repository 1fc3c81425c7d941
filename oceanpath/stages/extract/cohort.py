"""The parts of extraction: one per slide, with its identity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import xxhash

from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES
from oceanpath.file_digests import xxh3_of_file
from oceanpath.folders import list_folder
from oceanpath.pipeline.stage import Inputs, Part
from oceanpath.slides.contours import find_contours
from oceanpath.slides.encoders import prepare_encoder
from oceanpath.slides.encoders.weights import hash_file
from oceanpath.slides.folder import DICOM, MIRAX
from oceanpath.slides.readers.sdk.sdks import installed
from oceanpath.stages.extract.coords_files import coords_digests
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import shard_of, slides_of
from oceanpath.stages.extract.trident import trident_versions

SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
SELECTION = ("exclude", "shard", "slides_of_table", "match_ids", "allow_missing")
"""Keys that select slides without changing their features."""


def parts(settings: ExtractSettings, inputs: Inputs) -> list[Part]:
    """One part per slide, in order of slide id.

    A part is identified by the geometry and encoder settings, its id, and the content of the slide, of its tissue mask
    if it has one, and of the encoder's weights; not by their paths. Weights are downloaded once, before any slide
    is opened. With TRIDENT its versions are part of the identity, so that a folder never mixes two of them; for a slide
    of a vendor's format, the version of its SDK is.

    Raises:
        ExperimentError: no slides, two selected slides with the same id, an unknown encoder or an unknown excluded id.
        MissingExtraError: TRIDENT is requested and not installed.
        OceanPathError: the weights are not available; see `oceanpath.slides.encoders.prepare_encoder`.
    """
    folder = slides_of(settings, inputs)
    digests = {} if inputs.get("demo") else inputs.files.get("slides", {})
    shared = {name: value for name, value in settings.identity().items() if name not in SELECTION}
    if settings.backend == "trident":
        shared["trident_versions"] = dict(trident_versions(settings))
        shared["encoder_content"] = hash_file(settings.weights) if settings.weights else ""
    else:
        shared["encoder_content"] = prepare_encoder(settings.encoder, settings.encoder_options())
    outlines = find_contours(settings.tissue) if settings.tissue else {}
    slides = shard_of(folder.selected, settings.shard)
    coords = coords_digests(settings.coords, slides, slide_file_digest) if settings.coords is not None else {}
    result = []
    for name, path in slides.items():
        digest = slide_digest(path, folder.root, digests)
        identity = {"settings": shared, "slide": digest, "slide_id": name}
        identity |= {"tissue": slide_file_digest(outlines[name])} if name in outlines else {}
        identity |= {"places": coords[name]} if coords else {}
        identity |= {"reader": installed(path)} if path.suffix.lower() in CLOSED_SUFFIXES else {}
        result.append(Part(part_key(name), identity, {"path": str(path)}))
    return result


def slide_digest(path: Path, root: Path, digests: Mapping[str, str]) -> str:
    """Content digest of a slide with the files that belong to it, from `digests` if it contains them.

    A MIRAX slide is a file and a folder of the same name; a DICOM slide is all DICOM files of its folder.
    """
    files = [path]
    if path.suffix.lower() == MIRAX:
        folder = path.with_suffix("")
        files += [folder / name for name in sorted(list_folder(folder).files)] if folder.is_dir() else []
    elif path.suffix.lower() == DICOM:
        files += sorted(member for member in path.parent.glob("*.dcm") if member != path)
    contents = [digests.get(file.relative_to(root).as_posix()) or slide_file_digest(file) for file in files]
    return contents[0] if len(contents) == 1 else xxhash.xxh3_128("\n".join(contents).encode()).hexdigest()


def slide_file_digest(path: Path) -> str:
    """xxh3-128 hex digest of a file; for a link without a target, that of an empty file."""
    if path.is_symlink() and not path.exists():
        return xxhash.xxh3_128_hexdigest(b"")
    return xxh3_of_file(path)


def part_key(name: str) -> str:
    """The slide id if it is safe as a folder name, otherwise a safe spelling with a digest that keeps it unique."""
    if SAFE_KEY.fullmatch(name):
        return name
    tail = xxhash.xxh3_64(name.encode()).hexdigest()
    return "slide-" + re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80] + "-" + tail
