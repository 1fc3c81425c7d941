"""Maps of predicted slides: tables, pictures and GeoJSON, as `analyze` writes them, and images for viewers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import golden_bag, golden_coords
from oceanpath.artifacts.features.metadata import FeatureMeta, read_meta
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.artifacts.patch_scores import PatchScores, write_geojson, write_patch_csv
from oceanpath.artifacts.score_images.formats import FORMATS
from oceanpath.artifacts.score_images.raster import SlidePlane, image_of
from oceanpath.errors import ArtifactError, ExperimentError, collected, refuse, shorten_list
from oceanpath.figures.heatmap import MapOptions, Signed
from oceanpath.figures.slide_map import MappedPatches, draw_slide, thumbnail_of
from oceanpath.serving.answer_rows import SlideAnswer
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.slide_engine import AnyEngine, SlidePrediction
from oceanpath.serving.slide_inputs import SlideInput, StoredSlide, Verify
from oceanpath.slides.patch_geometry import known_geometry, known_plane

SCORE, CONTRIBUTION = "attention", "contribution"
SUFFIXES = {"attention": ".csv", "heatmap": ".png", "geojson": ".geojson"}
"""Option → suffix of its files, of the options that are no image for viewers."""
SAME_SHARE = 1e-4
"""Difference of weights, as a multiple of an equal share, below which two patches have the same weight."""


def require_attention(engine: AnyEngine, where: Path) -> None:
    """Raise ExperimentError if the model of a bundle gives all patches of its reference bag the same weight."""
    prediction = _golden_prediction(engine)
    if np.ptp(prediction.attention) * prediction.n_patches <= SAME_SHARE:
        what, got = "this architecture has no attention: all patches have the same weight", engine.facts.model["name"]
        raise ExperimentError(what, where=where, got=got, do="Leave out the options that write maps.")


def require_contributions(engine: AnyEngine, where: Path) -> None:
    """Raise ExperimentError if the model of a bundle is not a sum over the patches of its reference bag."""
    if engine.contributions(_golden_prediction(engine, explains=True)) is None:
        what, got = "the predictions of this model are not sums over patches", engine.facts.model["name"]
        raise ExperimentError(what, where=where, got=got, do="Leave out --contributions; maps show the attention.")


def _golden_prediction(engine: AnyEngine, *, explains: bool = False) -> SlidePrediction:
    """The prediction for the reference bag of a bundle."""
    patches = engine.facts.golden.patches
    bag = golden_bag(patches, engine.facts.contract.feature_dim)
    known = Provenance(slide_id="golden")
    prediction: SlidePrediction = engine.predict(bag, golden_coords(patches), known, explains=explains)
    return prediction


@dataclass(frozen=True)
class SlideMaps:
    """Writes the attention maps of every slide."""

    folders: Mapping[str, Path]
    """Option → folder, of the options that are given."""
    verify: Verify
    """Compares a published thumbnail with its digest."""
    slides: Mapping[str, Path] = field(default_factory=dict)
    """Slide id → slide, of slides that were extracted for this prediction."""
    explains: bool = False
    """Whether the files have contributions too."""

    @property
    def _has_images(self) -> bool:
        """Whether an image for viewers is written."""
        return bool(self.folders.keys() & FORMATS)

    def check(self, slides: Iterable[SlideInput]) -> None:
        """Raise ExperimentError with all slides that lack coordinates or a patch size, as far as files are readable."""
        lacking: dict[str, list[SlideInput]] = {}
        for slide in slides:
            with collected([]):  # an unreadable file is reported when the slide is predicted
                if what := self._problem(*_known(slide, reads_meta=self._has_images)):
                    lacking.setdefault(what, []).append(slide)
        refuse([self._error(what, those) for what, those in lacking.items()])

    def are_written(self, slide_id: str) -> bool:
        """Whether all files of a slide exist."""
        return all(path.exists() for path in self._paths(slide_id).values())

    def write(self, slide: SlideInput, request: PredictionRequest, answer: SlideAnswer) -> None:
        """Write the files of a slide. Raises: OceanPathError: it lacks coordinates, or a file is damaged."""
        side, coords, meta = request.provenance.patch_px_level0, request.coords, _read_meta(slide)
        plane = known_plane(self.slides.get(slide.name), meta, request.provenance)
        if (what := self._problem(coords is not None, side, plane)) or coords is None:
            raise self._error(what, [slide])
        if self.explains and answer.contributions is None:
            raise ArtifactError("the contributions of the patches do not sum to the prediction", where=slide.path)
        paths, slide_id = self._paths(answer.row["slide_id"]), answer.row["slide_id"]
        if "heatmap" in paths:
            title = "\n".join(filter(None, (slide_id, answer.caption)))
            patches = MappedPatches(answer.attention, coords, side, meta, self._thumbnail(slide))
            draw_slide(paths["heatmap"], patches, title, MapOptions(_signed(answer), vector=False))
        geometry = known_geometry(self.slides.get(slide.name), meta, side)
        if geometry is not None:
            scores = PatchScores(slide_id, coords, geometry.footprint, _scores(answer), geometry.origin)
            _write_scores(paths, scores, plane)

    def _paths(self, slide_id: str) -> dict[str, Path]:
        """Option → file of a slide."""
        suffixes = SUFFIXES | {option: known.suffix for option, known in FORMATS.items()}
        return {option: folder / f"{slide_id}{suffixes[option]}" for option, folder in self.folders.items()}

    def _problem(self, has_coords: bool, side: float | None, plane: SlidePlane | None) -> str:
        """Why the maps of a slide cannot be drawn; "" if they can."""
        if not has_coords:
            return "the patches have no coordinates, so their attention has no map"
        if self.folders.keys() != {"heatmap"} and side is None:
            return "the size of the patches in level-0 pixels is unknown, so they have no outlines"
        if self._has_images and plane is None:
            return "the resolution of level 0 is unknown, so the pixels of an image have no physical size"
        return ""

    def _error(self, what: str, slides: Sequence[SlideInput]) -> ExperimentError:
        options = ", ".join(f"--{option}" for option in self.folders)
        got = f"{len(slides)} slides, {shorten_list(slide.name for slide in slides)}" if len(slides) > 1 else ""
        do = f"Leave out {options}, or predict {'these slides' if got else 'this slide'} separately."
        return ExperimentError(what, where=options if got else slides[0].path, got=got, do=do)

    def _thumbnail(self, slide: SlideInput) -> Path | None:
        """The thumbnail next to the features of a slide. Raises: ArtifactError: it differs from its digest."""
        path = slide.path.parent / thumbnail_of(slide.name)
        if isinstance(slide, StoredSlide) or not path.is_file():
            return None
        self.verify(path)
        return path


def _scores(answer: SlideAnswer) -> dict[str, NDArray[np.floating]]:
    """Name → score of every patch."""
    scores: dict[str, NDArray[np.floating]] = {SCORE: answer.attention}
    return scores if answer.contributions is None else scores | {CONTRIBUTION: answer.contributions[1]}


def _signed(answer: SlideAnswer) -> Signed | None:
    """The contributions, to be drawn in a panel of their own."""
    if answer.contributions is None:
        return None
    label, values = answer.contributions
    return Signed(values, label)


def _write_scores(paths: Mapping[str, Path], scores: PatchScores, plane: SlidePlane | None) -> None:
    """Write tables, outlines and images. Raises: ArtifactError: a patch is outside of the slide."""
    if "attention" in paths:
        write_patch_csv(paths["attention"], scores)
    if "geojson" in paths:
        write_geojson(paths["geojson"], scores.strongest(SCORE))
    images = [option for option in FORMATS if option in paths]
    if images and plane is not None:
        image = image_of(scores, plane)
        for option in images:
            FORMATS[option].write(paths[option], image)


def _known(slide: SlideInput, *, reads_meta: bool) -> tuple[bool, float | None, SlidePlane | None]:
    """Whether the patches of a slide have coordinates, their side, and, with `reads_meta`, the plane of level 0.

    Raises: ArtifactError: it cannot be read.
    """
    if isinstance(slide, StoredSlide):
        return slide.store.has_coords, slide.patch_px_level0, None
    layout = slide.layout()
    plane = known_plane(None, _read_meta(slide), layout.provenance) if reads_meta else None
    return layout.has_coords, layout.patch_px_level0, plane


def _read_meta(slide: SlideInput) -> FeatureMeta | None:
    """How `extract` computed the features; None if it did not."""
    if isinstance(slide, StoredSlide):
        return None
    try:
        return read_meta(slide.path)
    except ArtifactError:
        return None
