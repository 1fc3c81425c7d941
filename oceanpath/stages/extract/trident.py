"""Extraction of one slide by TRIDENT: the request, and the result in OceanPath's format."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureFile, FeatureMeta, read_features, scan_features
from oceanpath.errors import StageError
from oceanpath.pipeline.stage import Progress, Quiet
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.trident.grid import whole_magnification
from oceanpath.slides.trident.interpreter import find_interpreter
from oceanpath.slides.trident.session import Session
from oceanpath.stages.extract.meta import slide_meta
from oceanpath.stages.extract.settings import ExtractSettings

SEGMENTER_CONFIDENCE = 0.5
BATCH = 64
BUCKET_TOLERANCE = 0.05
_SESSIONS: dict[tuple[Path, float], Session] = {}

Extracted = tuple[NDArray[np.floating], NDArray[np.int32], FeatureMeta]


def trident_versions(settings: ExtractSettings) -> Mapping[str, str]:
    """Package → version in TRIDENT's interpreter, TRIDENT's with its commit.

    Raises: MissingExtraError: no interpreter is set, or it has no TRIDENT.
    """
    return _session(settings, Quiet()).versions


def extract_with_trident(
    reader: SlideReader, settings: ExtractSettings, digest: str, out: Path, progress: Progress
) -> Extracted:
    """Features [N, D], coords [N, 2] (level-0 pixels, top-left) and metadata, extracted by TRIDENT below `out`.

    `reader` has determined the mpp, which is passed to TRIDENT: a missing mpp causes the same error in both backends.

    Raises:
        ExperimentError: `target_mpp` is not a magnification that TRIDENT supports.
        StageError: TRIDENT failed on this slide, detected no tissue, timed out or ended unexpectedly.
        ArtifactError: its features are damaged or not finite.
    """
    work = out / ".trident"
    work.mkdir()
    session = _session(settings, progress)
    progress.start(1, "slides")
    reply = session.ask(_request(reader, settings, digest, work), progress.note)
    if reply["status"] == "error":
        got = f"{reply['kind']} in the step '{reply['step']}': {reply['error']}"
        raise StageError("TRIDENT cannot extract this slide", where=reader.path, got=got, do=_remedy(reply, settings))
    if reply["status"] == "blank":
        do = "Lower extract.min_tissue, or leave the slide out with extract.exclude."
        raise StageError("TRIDENT selected no patch with tissue", where=reader.path, do=do)
    file = scan_features(Path(reply["features"]))
    features, coords = read_features(file)
    if coords is None or file.patch_px_level0 is None:
        raise StageError("TRIDENT wrote no patch coordinates", where=reader.path, got=file.layout)
    shutil.rmtree(work)
    meta = _meta(reader, file, session, settings, digest)
    warn_about_bucket(meta, settings, progress)
    progress.advance()
    return features, coords, meta


def _session(settings: ExtractSettings, progress: Progress) -> Session:
    """The driver of this process, started if none is running: loading an encoder takes longer than a slide."""
    key = (find_interpreter(settings.trident_python), settings.trident_silence_s)
    if key not in _SESSIONS or not _SESSIONS[key].alive:
        _SESSIONS[key] = Session(*key, progress.note)
    return _SESSIONS[key]


def _request(reader: SlideReader, settings: ExtractSettings, digest: str, work: Path) -> dict[str, Any]:
    return {
        "op": "slide",
        "id": digest,
        "path": str(reader.path.absolute()),
        "reader": "openslide",
        "mpp": reader.mpp.x,
        "work": str(work.absolute()),
        "segmenter": settings.trident_segmenter,
        "confidence": SEGMENTER_CONFIDENCE,
        "mag": whole_magnification(settings.target_mpp),
        "patch_px": settings.patch_px,
        "overlap": settings.overlap,
        "min_tissue": settings.min_tissue,
        "encoder": settings.encoder,
        "weights": str(settings.weights.absolute()) if settings.weights else None,
        "device": settings.device,
        "batch": BATCH,
        "workers": settings.workers,
    }


def _remedy(reply: Mapping[str, Any], settings: ExtractSettings) -> str:
    """The remedy for a failure, by the step in which it occurred."""
    if reply["step"] == "segment" and settings.trident_segmenter != "otsu":
        return 'Without network access use extract.trident_segmenter = "otsu", which needs no download.'
    if reply["step"] == "load the encoder":
        return "Use the encoder names of TRIDENT; gated weights need a token in its environment."
    return 'Leave the slide out with extract.exclude, or try extract.backend = "native".'


def _meta(
    reader: SlideReader, file: FeatureFile, session: Session, settings: ExtractSettings, digest: str
) -> FeatureMeta:
    tools = [f"{name} {version}" for name, version in sorted(session.versions.items()) if name != "python"]
    encoder, side = file.encoder or settings.encoder, float(file.patch_px_level0 or 0)
    meta = slide_meta(reader, settings, digest, encoder, file.dim, side)
    return replace(meta, tool_version=f"oceanpath {meta.tool_version}, {', '.join(tools)}")


def warn_about_bucket(meta: FeatureMeta, settings: ExtractSettings, progress: Progress) -> None:
    """Add a note if patches differ from the requested size, as TRIDENT rounds the mpp of a slide to a magnification."""
    actual = meta.patch_px_level0 * meta.mpp_x / settings.patch_px
    if abs(actual / settings.target_mpp - 1) > BUCKET_TOLERANCE:
        progress.note(f"TRIDENT extracted patches at {actual:.3g} µm per pixel instead of {settings.target_mpp:g}")
