"""Test slides with the explanation of their prediction, by the models that tested them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import FeatureMeta, read_meta
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


def explain(settings: AnalyzeSettings, inputs: Inputs, rows: pd.DataFrame) -> Iterator[ExplainedSlide]:
    """The slides of `rows`, fold by fold, so that one model is in memory."""
    store, device = Store(inputs["mmap"], check=inputs.verify), str(pick_device(settings.device))
    extract, slides = inputs.get("extract"), _slides(settings, inputs)
    if extract is not None:
        inputs.check("extract", [f"{slide}.h5" for slide in rows["slide_id"] if (extract / f"{slide}.h5").is_file()])
    for fold, own in rows.sort_values(["fold", "slide_id"]).groupby("fold"):
        explainer = PatchExplainer(inputs["train"] / f"fold_{fold}/best.ckpt", device)
        for row in own.to_dict("records"):
            number = store.number(row["slide_id"])
            features, coords = store.features(number), store.coords(number)
            file = extract and extract / f"{row['slide_id']}.h5"
            yield ExplainedSlide(
                row={str(name): value for name, value in row.items()},
                features=features,
                coords=coords,
                explainer=explainer,
                explanation=explainer.explain(features, coords),
                side=float(store.index.patch_px_level0[number]),
                meta=read_meta(file) if file and file.is_file() else None,
                slide=slides.get(row["slide_id"]),
            )


def _slides(settings: AnalyzeSettings, inputs: Inputs) -> dict[str, Path]:
    """Slide id → file, if the features were extracted from slides of this experiment."""
    demo = inputs.get("demo")
    root = demo / "slides" if demo else settings.slide_folder
    if root is None or inputs.get("extract") is None or not root.is_dir():
        return {}
    return {name: files[0] for name, files in group_by_id(slide_files(root, list_folder(root))).items()}
