"""Problems that prevent slides from being extracted, reported before the first slide is opened."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.artifacts.left_out import LeftOut
from oceanpath.errors import ExperimentError, MissingExtraError, OceanPathError, collected
from oceanpath.pipeline.stage import Inputs, ParentSources, Preview
from oceanpath.slides.encoders import encoder_spec
from oceanpath.stages.extract.settings import ExtractSettings
from oceanpath.stages.tables import Expected

if TYPE_CHECKING:
    from oceanpath.stages.extract.slides import Slides

SLIDE_BYTES_PER_PATCH = 400_000
"""Bytes of a slide file per patch of 256 px at 0.5 µm: four times those of JPEG, to estimate a lower bound."""
PACKAGES = {
    "oceanpath.slides.encoders.timm_networks": ("timm", "torchvision"),
    "oceanpath.slides.encoders.resnet50": ("torchvision",),
}
"""Module of an encoder → packages of the extra `encoders` that it imports."""


def preflight(settings: ExtractSettings, sources: ParentSources) -> Preview:
    """Check the encoder, the folder of slides and the label table; opens no slide."""
    problems: list[OceanPathError] = []
    with collected(problems):
        _check_encoder(settings)
    if settings.labels is not None and not settings.labels.exists():
        do = "Set data.labels to the label table."
        missing = ExperimentError("there is no such file or folder", where=settings.labels, do=do)
        return Preview((*problems, missing))
    if settings.slides is None or not settings.slides.exists() or sources.get("demo") is not None:
        return Preview(tuple(problems))
    from oceanpath.stages.extract.slides import shard_of, slides_of

    slides = None
    with collected(problems):
        slides = slides_of(settings, Inputs())
        shard_of(slides.selected, settings.shard)
    if slides is None:
        return Preview(tuple(problems))
    problems += [*_table_problems(settings, slides), *_slide_problems(settings, slides)]
    expected = Expected(frozenset(slides.selected), LeftOut(settings.exclude))
    return Preview(tuple(problems), tuple(slides.lines(settings.exclude)), expected, _size(settings, slides))


def _check_encoder(settings: ExtractSettings) -> None:
    """Raise if TRIDENT's interpreter, or a package that the encoder needs, is missing."""
    if settings.backend == "trident":
        from oceanpath.slides.trident.interpreter import find_interpreter

        find_interpreter(settings.trident_python)
        return
    spec = None if ":" in settings.encoder else encoder_spec(settings.encoder)
    missing = [name for name in PACKAGES.get(spec.module if spec else "", ()) if find_spec(name) is None]
    if missing:
        do = "Install it with: python -m pip install 'oceanpath[encoders]'"
        what = f"the encoder {settings.encoder} needs a package that is not installed"
        raise MissingExtraError(what, expected=missing[0], do=do)


def _table_problems(settings: ExtractSettings, slides: Slides) -> list[OceanPathError]:
    """Rows of the label table without a slide."""
    if not slides.without_slide or settings.allow_missing:
        return []
    got = f"{len(slides.without_slide)}: {describe_missing(slides.without_slide, slides.all_slides)}"
    do = "Correct the table, or set data.allow_missing = true to continue without them."
    return [ExperimentError("rows of the table have no slide", where=settings.labels, got=got, do=do)]


def _slide_problems(settings: ExtractSettings, slides: Slides) -> list[OceanPathError]:
    """Slides that lack a link target, an SDK, a mask or a file of coordinates."""
    from oceanpath.slides.contours import find_contours
    from oceanpath.slides.readers.sdk.sdks import SDKS, sdk_of
    from oceanpath.stages.extract.coords_files import coords_file
    from oceanpath.stages.extract.slides import suffixes

    problems: list[OceanPathError] = []
    do = "Restore the targets, or leave these slides out with extract.exclude or data.allow_missing = true."
    if slides.broken and not settings.allow_missing:
        got = f"{len(slides.broken)} of {len(slides.selected)}: {', '.join(slides.broken[:5])}"
        problems.append(ExperimentError("slides are links without a target", where=slides.root, got=got, do=do))
    for suffix in sorted(suffixes(slides.selected).keys() & SDKS.keys()):
        with collected(problems):
            sdk_of(next(path for path in slides.selected.values() if path.suffix.lower() == suffix))
    without = {"tissue": list[str](), "coords": list[str]()}
    if settings.tissue is not None and settings.tissue.is_dir():
        without["tissue"] = sorted(slides.selected.keys() - find_contours(settings.tissue).keys())
    if settings.coords is not None and settings.coords.is_dir():
        without["coords"] = [name for name in slides.selected if coords_file(settings.coords, name) is None]
    for key, names in without.items():
        if names and not (key == "tissue" and settings.allow_missing):
            problems.append(_without(f"extract.{key}", names, len(slides.selected)))
    return problems


def _without(key: str, names: list[str], total: int) -> ExperimentError:
    got = f"{len(names)} of {total}: {', '.join(names[:5])}"
    do = "Add them, or leave these slides out with extract.exclude."
    return ExperimentError("slides have no file in this folder", where=key, got=got, do=do)


def _size(settings: ExtractSettings, slides: Slides) -> int:
    """Minimum size of the features in bytes: float16, for a number of patches estimated from the slide sizes."""
    if settings.backend != "native" or ":" in settings.encoder:
        return 0
    side_um = settings.patch_px * settings.target_mpp
    patches = sum(map(_bytes, slides.selected.values())) / SLIDE_BYTES_PER_PATCH * (128 / side_um) ** 2
    return int(2 * encoder_spec(settings.encoder).dim * patches)


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
