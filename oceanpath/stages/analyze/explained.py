"""Test slides with the explanation of their prediction, by the models that tested them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureMeta, read_meta
from oceanpath.artifacts.patient_bags import one_row_per_slide
from oceanpath.artifacts.store.patients import Part, PatientStore, bags_of, open_bags, slides_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.fit.device import pick_device
from oceanpath.fit.explain import Explanation, PatchExplainer
from oceanpath.folders import list_folder
from oceanpath.pipeline.stage import Inputs
from oceanpath.slides.folder import group_by_id, slide_files
from oceanpath.stages.analyze.settings import AnalyzeSettings


@dataclass(frozen=True)
class ExplainedSlide:
    """A slide, the model that tested it, and the explanation of its prediction."""

    row: dict[str, Any]
    """Its test row, with the columns of `oceanpath.stages.analyze.selection.review`."""
    features: NDArray[np.floating]
    coords: NDArray[np.int32] | None
    explainer: PatchExplainer
    explanation: Explanation
    side: float
    """Side of a patch in level-0 pixels as the store knows it; NaN if it is unknown."""
    meta: FeatureMeta | None
    """How `extract` computed the features; None if it did not."""
    slide: Path | None
    """The slide; None without `extract`."""

    @property
    def slide_id(self) -> str:
        """Its id."""
        return str(self.row["slide_id"])

    @property
    def known_side(self) -> float | None:
        """Side of a patch in level-0 pixels as the store knows it; None if it is unknown."""
        return None if np.isnan(self.side) else self.side

    @property
    def map_name(self) -> str:
        """The score by which patches are ranked: contribution where the model has one, otherwise attention."""
        return "attention" if self.explanation.contributions is None else "contribution"

    @property
    def map_scores(self) -> NDArray[np.float64]:
        """That score, [n]."""
        contributions = self.explanation.contributions
        return self.explanation.attention.astype(np.float64) if contributions is None else contributions

    @property
    def reason(self) -> str:
        """Why there are no contributions; "" if there are."""
        name = self.explainer.model.settings.name
        return f"{name} combines patches before it pools them" if self.explanation.contributions is None else ""


class ExplainedBag(NamedTuple):
    """A bag with the explanation of its prediction, and the share of each of its slides."""

    whole: ExplainedSlide
    """All patches; of a patient, its row has the patient id as slide id."""
    slides: list[ExplainedSlide]
    """One per slide, with its own coordinates; `whole` itself where a bag is a slide."""

    @property
    def facts(self) -> dict[str, str]:
        """What analysis.json states about a slide that is only a part of its bag."""
        return {} if self.slides[0] is self.whole else {"bag": self.whole.slide_id}


def explain(settings: AnalyzeSettings, inputs: Inputs, rows: pd.DataFrame) -> Iterator[ExplainedBag]:
    """The bags of `rows`, fold by fold, so that one model is in memory."""
    store = open_bags(inputs["mmap"], inputs["train"], check=inputs.verify)
    device, extract, slides = str(pick_device(settings.device)), inputs.get("extract"), _slides(settings, inputs)
    if extract is not None:
        names = one_row_per_slide(rows, bags_of(store))["slide_id"]
        inputs.check("extract", [f"{slide}.h5" for slide in names if (extract / f"{slide}.h5").is_file()])
    for fold, own in rows.sort_values(["fold", "slide_id"]).groupby("fold"):
        explainer = PatchExplainer(inputs["train"] / f"fold_{fold}/best.ckpt", device)
        for row in own.to_dict("records"):
            number = store.number(row["slide_id"])
            features, coords = store.features(number), store.coords(number)
            whole = ExplainedSlide(
                row={str(name): value for name, value in row.items()},
                features=features,
                coords=coords,
                explainer=explainer,
                explanation=explainer.explain(features, coords),
                side=float(store.index.patch_px_level0[number]),
                meta=_meta(extract, row["slide_id"]),
                slide=slides.get(row["slide_id"]),
            )
            parts = store.parts(number) if isinstance(store, PatientStore) else []
            yield ExplainedBag(
                whole, [_part(whole, slides_of(store), part, extract, slides) for part in parts] or [whole]
            )


def _part(
    whole: ExplainedSlide, store: Store, part: Part, extract: Path | None, slides: Mapping[str, Path]
) -> ExplainedSlide:
    """One slide of a patient: its patches, at their own coordinates, with their share of the explanation."""
    name, rows, explanation = store.slide_id(part.slide), slice(part.first, part.last), whole.explanation
    contributions, alone = explanation.contributions, explanation.alone
    return replace(
        whole,
        row={**whole.row, "slide_id": name},
        features=whole.features[rows],
        coords=store.coords(part.slide),
        explanation=replace(
            explanation,
            attention=explanation.attention[rows],
            contributions=None if contributions is None else contributions[rows],
            alone=None if alone is None else alone[rows],
        ),
        side=float(store.index.patch_px_level0[part.slide]),
        meta=_meta(extract, name),
        slide=slides.get(name),
    )


def _meta(extract: Path | None, slide_id: str) -> FeatureMeta | None:
    """How `extract` computed the features of a slide; None if it did not."""
    file = extract and extract / f"{slide_id}.h5"
    return read_meta(file) if file and file.is_file() else None


def _slides(settings: AnalyzeSettings, inputs: Inputs) -> dict[str, Path]:
    """Slide id → file, if the features were extracted from slides of this experiment."""
    demo = inputs.get("demo")
    root = demo / "slides" if demo else settings.slide_folder
    if root is None or inputs.get("extract") is None or not root.is_dir():
        return {}
    return {name: files[0] for name, files in group_by_id(slide_files(root, list_folder(root))).items()}
