"""What identifies each slide."""

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
from oceanpath.slides.readers.sdk.sdks import installed
from oceanpath.stages.extract.coords_files import coords_digests
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.slides import DICOM, MIRAX, shard_of, slides_of
from oceanpath.stages.extract.trident import trident_versions

SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
WHICH = ("exclude", "shard", "slides_of_table", "match_ids", "allow_missing")
"""Keys that choose slides and change none."""


def parts(settings: ExtractSettings, inputs: Inputs) -> list[Part]:
    """One part per slide, in order of slide id.

    A part is identified by the geometry and encoder settings, its id, and the content of the slide, of its tissue mask
    if it has one, and of the encoder's weights; not by their places. Weights are fetched here, once, before any slide
    is opened. What TRIDENT makes is also identified by its versions, so that a folder never mixes two of them; so is
    a slide of a maker's format by the package that reads it.

    Raises:
        ExperimentError: no slides, two wanted slides with one id, an unknown encoder or an unknown excluded id.
        MissingExtraError: TRIDENT is asked for and is not there.
        OceanPathError: the weights are not to be had; see `oceanpath.slides.encoders.prepare_encoder`.
    """
    found = slides_of(settings, inputs)
    digests = {} if inputs.get("demo") else inputs.files.get("slides", {})
    same = {name: value for name, value in settings.identity().items() if name not in WHICH}
    if settings.backend == "trident":
        same["trident_versions"] = dict(trident_versions(settings))
        same["encoder_content"] = hash_file(settings.weights) if settings.weights else ""
    else:
        same["encoder_content"] = prepare_encoder(settings.encoder, settings.encoder_options())
    outlines = find_contours(settings.tissue) if settings.tissue else {}
    slides = shard_of(found.wanted, settings.shard)
    places = coords_digests(settings.coords, slides, file_digest) if settings.coords is not None else {}
    made = []
    names = [*slides, ""]
    for (name, path), after in zip(slides.items(), names[1:], strict=True):
        digest = slide_digest(path, found.root, digests)
        identity = {"settings": same, "slide": digest, "slide_id": name}
        identity |= {"tissue": file_digest(outlines[name])} if name in outlines else {}
        identity |= {"places": places[name]} if places else {}
        identity |= {"reader": installed(path)} if path.suffix.lower() in CLOSED_SUFFIXES else {}
        payload = {"path": str(path), "next": str(slides.get(after, "")), "next_id": after}
        made.append(Part(part_key(name), identity, payload))
    return made


def slide_digest(path: Path, root: Path, digests: Mapping[str, str]) -> str:
    """Content digest of a slide with the files that belong to it, from `digests` where it is known there.

    A MIRAX slide is a file and a folder beside it; a DICOM slide is all DICOM files of its folder.
    """
    files = [path]
    if path.suffix.lower() == MIRAX:
        beside = path.with_suffix("")
        files += [beside / name for name in sorted(list_folder(beside).files)] if beside.is_dir() else []
    elif path.suffix.lower() == DICOM:
        files += sorted(member for member in path.parent.glob("*.dcm") if member != path)
    each = [digests.get(file.relative_to(root).as_posix()) or file_digest(file) for file in files]
    return each[0] if len(each) == 1 else xxhash.xxh3_128("\n".join(each).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """xxh3-128 hex digest of the bytes of a file; of a link without a target, that of nothing."""
    if path.is_symlink() and not path.exists():
        return xxhash.xxh3_128_hexdigest(b"")
    return xxh3_of_file(path)


def part_key(name: str) -> str:
    """The slide id where it is safe as a folder name, else a safe spelling with a digest that keeps it unique."""
    if SAFE_KEY.fullmatch(name):
        return name
    tail = xxhash.xxh3_64(name.encode()).hexdigest()
    return "slide-" + re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80] + "-" + tail
