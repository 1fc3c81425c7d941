"""Which slides there are, and what identifies each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import xxhash

from oceanpath.artifacts.ids import CLOSED_SUFFIXES, SLIDE_SUFFIXES, describe_missing, is_hidden, slide_id
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import Inputs, Part
from oceanpath.slides.contours import find_contours
from oceanpath.slides.dicom import one_a_series
from oceanpath.slides.encoders import prepare_encoder
from oceanpath.slides.encoders.weights import hash_file
from oceanpath.slides.readers.vendor.makers import installed
from oceanpath.stages.extract.places import place_digests
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.extract.trident import trident_versions

SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
CHUNK = 1 << 20
DICOM = ".dcm"
WHICH = ("exclude", "shard")
"""Keys that choose slides and change none."""


def parts(settings: ExtractSettings, inputs: Inputs) -> list[Part]:
    """One part a slide, in order of slide id.

    A part is identified by the geometry and encoder settings, its id, and the content of the slide, of its tissue mask
    if it has one, and of the encoder's weights; not by their places. Weights are fetched here, once, before any slide
    is opened. What TRIDENT makes is also identified by its versions, so that a folder never mixes two of them; so is
    a slide of a maker's format by the package that reads it.

    Raises:
        ExperimentError: no slides, two slides with one id, an unknown encoder or an unknown excluded id.
        MissingExtraError: TRIDENT is asked for and is not there.
        OceanPathError: the weights are not to be had; see `oceanpath.slides.encoders.prepare_encoder`.
    """
    root = slide_folder(settings, inputs)
    digests = {} if inputs.get("demo") else inputs.files.get("slides", {})
    same = {name: value for name, value in settings.identity().items() if name not in WHICH}
    if settings.backend == "trident":
        same["trident_versions"] = dict(trident_versions(settings))
        same["encoder_content"] = hash_file(settings.weights) if settings.weights else ""
    else:
        same["encoder_content"] = prepare_encoder(settings.encoder, settings.encoder_options())
    outlines = find_contours(settings.tissue) if settings.tissue else {}
    slides = shard_of(find_slides(root, settings.exclude), settings.shard)
    places = place_digests(settings.coords, slides, file_digest) if settings.coords is not None else {}
    found = []
    names = [*slides, ""]
    for (name, path), after in zip(slides.items(), names[1:], strict=True):
        digest = slide_digest(path, root, digests)
        identity = {"settings": same, "slide": digest, "slide_id": name}
        identity |= {"tissue": file_digest(outlines[name])} if name in outlines else {}
        identity |= {"places": places[name]} if places else {}
        identity |= {"reader": installed(path)} if path.suffix.lower() in CLOSED_SUFFIXES else {}
        payload = {"path": str(path), "next": str(slides.get(after, "")), "next_id": after}
        found.append(Part(part_key(name), identity, payload))
    return found


def shard_of(slides: Mapping[str, Path], shard: str) -> dict[str, Path]:
    """The slides that shard ``i/n`` takes: every n-th, beginning with the i-th; all of them for an empty `shard`.

    Raises: ExperimentError: there are fewer slides than that.
    """
    number, _, count = shard.partition("/")
    names = list(slides)[int(number) - 1 :: int(count)] if shard else list(slides)
    if not names:
        do = f"Use at most {len(slides)} shards."
        raise ExperimentError("the shard holds no slides", where="extract.shard", got=shard, do=do)
    return {name: slides[name] for name in names}


def slide_folder(settings: ExtractSettings, inputs: Inputs) -> Path:
    """The folder of slides: that of `demo`, else `data.slides`.

    Raises: ExperimentError: the experiment has neither, or the folder does not exist.
    """
    demo = inputs.get("demo")
    root = demo / "slides" if demo else settings.slides
    if root is None:
        raise ExperimentError("extract has no slides", where="data.slides", do="Set data.slides to a folder of slides.")
    if not root.is_dir():
        raise ExperimentError("no such folder of slides", where=root, do="Set data.slides to a folder of slides.")
    return root


def find_slides(root: Path, exclude: tuple[str, ...] = ()) -> dict[str, Path]:
    """Slide id → file for every slide below `root`, sorted by id; what is hidden is left out.

    The DICOM files of one series are one slide; see `oceanpath.slides.dicom`.

    Raises: ExperimentError: there is none, two have one id, or an excluded id does not exist.
    """
    known = (*SLIDE_SUFFIXES, *CLOSED_SUFFIXES)
    paths = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in known]
    paths = [path for path in paths if not is_hidden(path, root) and path.is_file()]
    of_series = one_a_series(path for path in paths if path.suffix.lower() == DICOM)
    found: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() == DICOM and path not in of_series:
            continue  # its slide goes by another file
        name = of_series.get(path) or slide_id(path)
        if name in found:
            both = f"{found[name].relative_to(root)} and {path.relative_to(root)}"
            raise ExperimentError("two slides have one id", where=root, got=f"{name}: {both}", do="Rename one.")
        found[name] = path
    if unknown := set(exclude) - set(found):
        raise ExperimentError("excluded slides that do not exist", where="extract.exclude", got=_near(unknown, found))
    kept = {name: path for name, path in sorted(found.items()) if name not in exclude}
    if not kept:
        raise ExperimentError("the folder holds no slides", where=root, expected=" ".join(SLIDE_SUFFIXES))
    return kept


def slide_digest(path: Path, root: Path, digests: Mapping[str, str]) -> str:
    """Content digest of a slide with the files that belong to it, from `digests` where it is known there.

    A MIRAX slide is a file and a folder beside it; a DICOM slide is all DICOM files of its folder.
    """
    files = [path]
    if path.suffix.lower() == ".mrxs":
        files += sorted(member for member in path.with_suffix("").rglob("*") if member.is_file())
    elif path.suffix.lower() == DICOM:
        files += sorted(member for member in path.parent.glob("*.dcm") if member != path)
    each = [digests.get(file.relative_to(root).as_posix()) or file_digest(file) for file in files]
    return each[0] if len(each) == 1 else xxhash.xxh3_128("\n".join(each).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """xxh3-128 hex digest of the bytes of a file."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def part_key(name: str) -> str:
    """The slide id where it is safe as a folder name, else a safe spelling with a digest that keeps it unique."""
    if SAFE_KEY.fullmatch(name):
        return name
    tail = xxhash.xxh3_64(name.encode()).hexdigest()
    return "slide-" + re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80] + "-" + tail


def _near(unknown: set[str], known: Mapping[str, Path]) -> str:
    return describe_missing(unknown, known)
